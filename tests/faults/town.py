"""The people of a run: pairs of friends, and communities of all."""

from tests.people import Person

SETTINGS = ("security.throttle=no", "contacts.confirm=no", "communities.max_owned=50")
SINGLE, COMMUNITY = 10, 11
Target = tuple[int, int]  # (kind, dstid)


class Town:
    """Person 0 and 1 are friends, 2 and 3, …; everybody is in every community. The server needs `SETTINGS`."""

    def __init__(self, port: int, *, people: int, communities: int) -> None:
        self.people = [Person(port, f"P{number}") for number in range(people)]
        self.targets: dict[int, list[Target]] = {person.user_id: [] for person in self.people}
        for one, other in zip(self.people[::2], self.people[1::2], strict=False):
            one.call("/contact/addfriend", dstid=other.user_id)
            self.targets[one.user_id].append((SINGLE, other.user_id))
            self.targets[other.user_id].append((SINGLE, one.user_id))
        self.community_ids: list[int] = []
        for number in range(communities):
            community_id: int = self.people[0].data("/contact/createcommunity", name=f"C{number}")["id"]
            self.community_ids.append(community_id)
            for person in self.people[1:]:
                person.call("/contact/joincommunity", dstid=community_id)
            for person in self.people:
                self.targets[person.user_id].append((COMMUNITY, community_id))
