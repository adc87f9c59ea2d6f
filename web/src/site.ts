/** What the server's page shell says about this installation. */
const shell = document.documentElement.dataset

export const site = {
  registration: (shell['registration'] ?? 'open') as 'open' | 'invite' | 'closed',
  /** Whether a new contact must agree before both are friends. */
  confirmsContacts: shell['confirm'] !== 'no',
}
