"""The live side: everything that lives on the IOLoop only, never blocks, and is never touched by a thread.

wire       frames in, frames out: one parser, one outbox; `pumps` move the bytes below it
upgrade    from Tornado's HTTP connection to a wire
connection a wire with a user; `registry` knows them all
chat       what a frame of a client means
delivery   from an accepted draft to ACK and fan-out; `writer` commits in between
events     changes of relations, sessions and communities, applied to what is connected
liveness   who is silent for too long; `presence` who is there
hub        builds all of these and holds them
"""
