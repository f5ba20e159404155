import { describe, expect, it } from 'vitest';

import { modelOf } from '../document/model';
import { earthquakeWatch } from '../testing/workflow-texts';
import { EMPTY_LAYOUT, type Point, rectangles } from './layout';
import { cornersBetween, distanceTo, Ways, wayThrough, wiresOf } from './wire';

function straight(points: readonly Point[]): boolean {
  return points.every((point, index) => index === 0 || point.x === points[index - 1]?.x || point.y === points[index - 1]?.y);
}

describe('ways of connections', () => {
  it('are in right angles, wherever the ends stand', () => {
    const from = { x: 100, y: 100 };
    for (const to of [{ x: 400, y: 100 }, { x: 400, y: 300 }, { x: 110, y: 100 }, { x: 110, y: 300 }, { x: 20, y: 300 }, { x: 20, y: 100 }]) {
      const corners = cornersBetween(from, to, []);
      expect(straight(corners), JSON.stringify(to)).toBe(true);
      expect([corners[0], corners.at(-1)]).toEqual([from, to]);
    }
    expect(straight(cornersBetween(from, { x: 500, y: 140 }, [{ x: 120, y: 260 }, { x: 480, y: 260 }]))).toBe(true);
  });

  it('begin and end where the ports are, and know the room they take', () => {
    const way = wayThrough(cornersBetween({ x: 0, y: 20 }, { x: 100, y: 60 }, []));
    expect(way.path).toBe('M0 20L40 20Q50 20 50 30L50 50Q50 60 60 60L100 60');
    expect(way.box).toEqual({ x: 0, y: 20, width: 100, height: 40 });
  });

  it('know how far a point is from them', () => {
    const way = wayThrough(cornersBetween({ x: 0, y: 20 }, { x: 100, y: 60 }, []));
    expect(distanceTo(way, { x: 20, y: 23 }, 7)).toBe(3);
    expect(distanceTo(way, { x: 46, y: 40 }, 7)).toBe(4);
    expect(distanceTo(way, { x: 20, y: 55 }, 7)).toBe(30);
    expect(distanceTo(way, { x: 200, y: 55 }, 7)).toBe(Number.POSITIVE_INFINITY);
  });

  it('have a wire for each edge, and from the edge of a loop to what is in it and back', () => {
    const { graph, layout } = modelOf(earthquakeWatch(), EMPTY_LAYOUT);
    const wires = wiresOf(graph);
    expect(wires.map((wire) => wire.id)).toEqual([...graph.edges.map((edge) => edge.id), 'labels⇒label', 'label⇒labels']);
    const rects = rectangles(graph, layout.positions);
    const ways = new Ways(graph, rects);
    const label = rects.get('label');
    const into = wires.find((wire) => wire.id === 'labels⇒label');
    const end = `L${String(label?.x)} ${String((label?.y ?? 0) + 20)}`;
    expect(into && ways.of(into)?.path.endsWith(end)).toBe(true);
    for (const wire of wires) expect(ways.of(wire)?.path, wire.id).toMatch(/^M.*L/);
  });

  it('of a node that stands nowhere are not drawn', () => {
    const { graph } = modelOf(earthquakeWatch(), EMPTY_LAYOUT);
    for (const wire of wiresOf(graph)) expect(new Ways(graph, new Map()).of(wire)).toBeNull();
  });
});
