import { describe, expect, it } from 'vitest';

import { boundsOf, detailAt, drawnPart, seen, touches } from './sight';

describe('what is in sight', () => {
  it('is what lies under the view', () => {
    expect(seen({ scale: 0.5, shift: { x: 100, y: -50 } }, 400, 200)).toEqual({ x: -200, y: 100, width: 800, height: 400 });
  });

  it('stays drawn while the view moves a little, and follows when it comes near the edge', () => {
    const view = { x: 0, y: 0, width: 1000, height: 800 };
    const first = drawnPart(view, 1, null);
    expect(drawnPart({ ...view, x: 150, y: -150 }, 1, first)).toBe(first);
    const next = drawnPart({ ...view, x: 250 }, 1, first);
    expect(next).not.toBe(first);
    expect(next.x).toBe(-70);
  });

  it('is drawn anew when the view has become much smaller', () => {
    const far = drawnPart({ x: 0, y: 0, width: 10_000, height: 8000 }, 0.1, null);
    expect(drawnPart({ x: 100, y: 100, width: 1000, height: 800 }, 1, far)).not.toBe(far);
  });

  it('has less of a card at a smaller scale', () => {
    expect([1, 0.75, 0.5, 0.1].map(detailAt)).toEqual(['full', 'full', 'middle', 'small']);
  });

  it('knows what touches and what lies around', () => {
    expect(touches({ x: 0, y: 0, width: 10, height: 10 }, { x: 10, y: 10, width: 1, height: 1 })).toBe(true);
    expect(touches({ x: 0, y: 0, width: 10, height: 10 }, { x: 11, y: 0, width: 1, height: 1 })).toBe(false);
    expect(boundsOf([])).toBeNull();
    expect(boundsOf([{ x: 1, y: 2, width: 3, height: 4 }, { x: -1, y: 5, width: 1, height: 9 }])).toEqual({ x: -1, y: 2, width: 5, height: 12 });
  });
});
