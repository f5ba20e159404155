// The journeys of people through the real product: `flowforge dev` with the interface that it serves, driven in Chromium.
// Words on the command line choose parts by name.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { building } from './journeys/building.mjs';
import { deliveries } from './journeys/deliveries.mjs';
import { drafts } from './journeys/drafts.mjs';
import { hosts } from './journeys/hosts.mjs';
import { keyboard } from './journeys/keyboard.mjs';
import { looking } from './journeys/looking.mjs';
import { market } from './journeys/market.mjs';
import { people } from './journeys/people.mjs';
import { quake, quakeByKeys } from './journeys/quake.mjs';
import { retrying } from './journeys/retrying.mjs';
import { stage } from './journeys/tools.mjs';
import { trying } from './journeys/trying.mjs';
import { versions } from './journeys/versions.mjs';

const PARTS = { quake, 'quake-keys': quakeByKeys, building, drafts, trying, keyboard, retrying, versions, market, deliveries, people, hosts, looking };
/** Parts that run only when they are named: they have not passed as a whole yet. */
const NAMED_ONLY = new Set(['quake-keys']);
/** Parts whose workflows call connectors. */
const CONNECTED = new Set(['quake', 'quake-keys', 'building', 'trying', 'retrying']);
const shots = path.resolve(import.meta.dirname, '../shots');
mkdirSync(shots, { recursive: true });
const wanted = process.argv.slice(2);
for (const [part, journeys] of Object.entries(PARTS)) {
  if (wanted.length > 0 ? !wanted.includes(part) : NAMED_ONLY.has(part)) continue;
  const on = await stage({ connectors: CONNECTED.has(part), fleet: part === 'hosts' || part === 'people' });
  try {
    for (const [name, run] of journeys) {
      const started = performance.now();
      await run(on);
      assert.deepEqual(on.errors.splice(0), [], `errors of the page during: ${name}`);
      console.log(`✓ ${part}: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    }
  } catch (error) {
    await on.page.screenshot({ path: path.join(shots, `journey-${part}-last.png`) }).catch(() => undefined);
    throw error;
  } finally {
    await on.close();
  }
}
console.log('✓ journeys');
