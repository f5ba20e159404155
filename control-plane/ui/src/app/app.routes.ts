import type { Routes } from '@angular/router';

/** Every path of the application. A path is here only when what it shows works. */
export const routes: Routes = [
  { path: '', pathMatch: 'full', title: 'Workflows · FlowForge', loadComponent: async () => (await import('./home/home-page')).HomePage },
  { path: 'workflows/:name', title: 'Versions · FlowForge', loadComponent: async () => (await import('./versions/versions-page')).VersionsPage },
  { path: 'runs', title: 'Runs · FlowForge', loadComponent: async () => (await import('./runs/runs-page')).RunsPage },
  { path: 'runs/:id', title: 'Run · FlowForge', loadComponent: async () => (await import('./runs/run-page')).RunPage },
  {
    path: 'approvals', title: 'Approvals · FlowForge', loadComponent: async () => (await import('./approvals/inbox-page')).InboxPage,
    children: [{ path: ':id', title: 'Approval · FlowForge', loadComponent: async () => (await import('./approvals/question')).Question }],
  },
  { path: 'marketplace', title: 'Marketplace · FlowForge', loadComponent: async () => (await import('./marketplace/marketplace-page')).MarketplacePage },
  { path: 'marketplace/:name', title: 'Connector · FlowForge', loadComponent: async () => (await import('./marketplace/connector-page')).ConnectorPage },
  { path: 'secrets', title: 'Secrets · FlowForge', loadComponent: async () => (await import('./secrets/secrets-page')).SecretsPage },
  { path: 'hosts', title: 'Hosts · FlowForge', loadComponent: async () => (await import('./hosts/hosts-page')).HostsPage },
  { path: 'triggers', title: 'Triggers · FlowForge', loadComponent: async () => (await import('./triggers/triggers-page')).TriggersPage },
  { path: 'profile', title: 'Profile · FlowForge', loadComponent: async () => (await import('./session/profile-page')).ProfilePage },
  { path: 'settings/members', title: 'Members · FlowForge', loadComponent: async () => (await import('./settings/members-page')).MembersPage },
  { path: 'settings/audit', title: 'Audit · FlowForge', loadComponent: async () => (await import('./settings/audit-page')).AuditPage },
  { path: 'settings', title: 'Settings · FlowForge', loadComponent: async () => (await import('./settings/settings-page')).SettingsPage },
  { path: 'editor', title: 'Editor · FlowForge', loadComponent: async () => (await import('./editor/editor-page')).EditorPage },
  { path: 'components', title: 'Components · FlowForge', loadComponent: async () => (await import('./gallery/gallery-page')).GalleryPage },
  { path: '**', title: 'Not found · FlowForge', loadComponent: async () => (await import('./shell/not-found')).NotFound },
];
