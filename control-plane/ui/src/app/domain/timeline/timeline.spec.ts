import { describe, expect, it } from 'vitest';

import { duration, type RunTimeline, scaleOf, split } from './timeline';

const row = (id: string, kind: 'work' | 'person', from: number, to: number) => ({ id, name: id, state: 'done', tries: 1, result: '', attempts: [], segments: [{ kind, from, to }] }) as const;
const RUN: RunTimeline = { host: 'edge', length: 42_000, gaps: [], rows: [row('fetch', 'work', 0, 400), row('confirm', 'person', 400, 41_400), row('report', 'work', 41_400, 42_000)] };

describe('the scale of a timeline', () => {
  it('shortens the wait for a person, keeps work in proportion, and never goes back', () => {
    const scale = scaleOf(RUN, true);
    expect(scale.shortened).toEqual([{ from: 400, to: 41_400 }]);
    expect(scale.at(0)).toBe(0);
    expect(scale.at(42_000)).toBe(1);
    expect((scale.at(42_000) - scale.at(41_400)) / scale.at(400)).toBeCloseTo(1.5);
    for (let time = 0, last = 0; time <= 42_000; time += 100) {
      expect(scale.at(time)).toBeGreaterThanOrEqual(last);
      last = scale.at(time);
    }
    expect(scale.ticks.at(-1)?.text).toBe('41.0 s, shortened');
  });

  it('is true when asked', () => {
    const scale = scaleOf(RUN, false);
    expect(scale.shortened).toEqual([]);
    expect(scale.at(21_000)).toBeCloseTo(0.5);
  });

  it('says what was work and what was waiting', () => {
    expect(split(RUN)).toBe('1.0 s of work, 41.0 s waiting for a person');
    expect([duration(62), duration(4200), duration(3_661_000)]).toEqual(['62 ms', '4.2 s', '1:01:01']);
  });
});
