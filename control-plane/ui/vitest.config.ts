import { defineConfig } from 'vitest/config';

// The domain is TypeScript without Angular, so its tests need no browser and no compiler of templates.
export default defineConfig({
  test: { include: ['src/**/*.spec.ts'], environment: 'node', testTimeout: 120_000 },
});
