import { defineConfig } from 'vitest/config';

// The domain is TypeScript without Angular, so its tests need no browser and no compiler of templates. The limit only ends a
// test that hangs; nothing is judged by time.
export default defineConfig({
  test: { include: ['src/**/*.spec.ts'], environment: 'node', testTimeout: 600_000 },
});
