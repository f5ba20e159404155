import { describe, expect, it } from 'vitest';

import { modelOf } from '../document/model';
import { Random } from '../testing/random';
import { earthquakeWatch, workflowText } from '../testing/workflow-texts';
import { addNode } from '../workflow/operations';
import { EMPTY_LAYOUT, GRID, rectangles } from './layout';
import { tidy } from './tidy';

function overlaps(rects: ReadonlyMap<string, { x: number; y: number; width: number; height: number }>, skip: (a: string, b: string) => boolean): string[] {
  const all = [...rects];
  return all.flatMap(([a, one], index) =>
    all.slice(index + 1).flatMap(([b, two]) => {
      const apart = one.x + one.width <= two.x || two.x + two.width <= one.x || one.y + one.height <= two.y || two.y + two.height <= one.y;
      return apart || skip(a, b) ? [] : [`${a} ${b}`];
    }),
  );
}

describe('layout', () => {
  it('puts no node on another, in random graphs too', () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const text = seed === 0 ? earthquakeWatch() : workflowText(new Random(seed));
      const { graph, layout } = modelOf(text, EMPTY_LAYOUT);
      const inside = (a: string, b: string): boolean => graph.byId.get(a)?.path.includes(b) === true || graph.byId.get(b)?.path.includes(a) === true;
      expect(overlaps(rectangles(graph, layout.positions), inside), `seed ${String(seed)}`).toEqual([]);
      for (const at of Object.values(layout.positions)) expect([at.x % GRID, at.y % GRID].map(Math.abs)).toEqual([0, 0]);
    }
  });

  it('goes from left to right in the order of waiting', () => {
    const { graph } = modelOf(earthquakeWatch(), EMPTY_LAYOUT);
    const at = tidy(graph, 5000);
    const order = ['@start', 'fetch', 'quakes', 'label', 'stats', 'gate', 'confirm', 'report', 'notify', '@output'].map((id) => at[id]?.x ?? -1);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
  });

  it('moves nothing when a node is added', () => {
    const model = modelOf(earthquakeWatch(), EMPTY_LAYOUT);
    const { layout } = addNode(model, { wait: { for: '1m' } }, { name: 'rest', after: { node: 'stats', outcome: '' } });
    for (const [id, at] of Object.entries(model.layout.positions)) expect(layout?.positions[id]).toEqual(at);
    expect(layout?.positions['rest']).toBeDefined();
  });
});
