/** Where people can go: the same list for the navigation, the bar at the bottom and the palette. */
export interface Place {
  readonly path: string;
  readonly label: string;
  readonly icon: string;
  /** Whether a line stands above it. */
  readonly apart?: boolean;
  /** Whether it stands in the bar of a narrow window. */
  readonly bottom?: boolean;
  /** Which number stands beside it. */
  readonly count?: 'waiting' | 'silent';
}

export const PLACES: readonly Place[] = [
  { path: '/', label: 'Workflows', icon: 'home', bottom: true },
  { path: '/runs', label: 'Runs', icon: 'runs', bottom: true },
  { path: '/approvals', label: 'Approvals', icon: 'approvals', bottom: true, count: 'waiting' },
  { path: '/editor', label: 'Editor', icon: 'workflows', bottom: true },
  { path: '/marketplace', label: 'Marketplace', icon: 'marketplace', apart: true },
  { path: '/secrets', label: 'Secrets', icon: 'secrets' },
  { path: '/hosts', label: 'Hosts', icon: 'hosts', count: 'silent' },
  { path: '/triggers', label: 'Triggers', icon: 'triggers' },
  { path: '/settings', label: 'Settings', icon: 'settings', apart: true },
];
