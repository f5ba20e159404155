/** How the nodes of a graph did in a run, for the cards that draw them. */
import type { NodeRun } from '../editor/canvas/node-card';
import { nodeState } from '../domain/runs/states';
import { innerStates } from '../domain/runs/steps';
import { duration } from '../domain/timeline/timeline';
import type { RunStore } from './run-store';

/** The overlay of a run; of the nodes in a loop one round of it, or all. */
export function overlayOf(store: RunStore, round: string | null): ReadonlyMap<string, NodeRun> {
  const said = store.progress();
  const rows = store.rows().map((row): [string, NodeRun] => {
    const shown = nodeState(row.state);
    const percent = said.find((one) => one.step === row.node)?.percent ?? null;
    return [row.node, { state: shown.look, word: shown.word, text: row.what || shown.word, time: row.time === null ? '' : duration(row.time), ...(percent === null ? {} : { share: percent / 100 }) }];
  });
  const inner = [...innerStates(store.records(), store.steps(), round)].map(([node, { state, text, share }]): [string, NodeRun] => [node, { state, text, time: '', ...(share === null || share === 1 ? {} : { share }) }]);
  return new Map([...inner, ...rows]);
}
