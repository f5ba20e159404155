import { ChangeDetectionStrategy, Component, computed, input, model, signal } from '@angular/core';

import { duration, lengthOf, type RunTimeline, scaleOf, type Segment, split } from '../domain/timeline/timeline';
import { Icon } from './icon';
import { STATE_WORDS } from './status';

interface Bar {
  readonly segment: Segment;
  readonly left: number;
  readonly width: number;
  readonly title: string;
}

const WORDS: Readonly<Record<Segment['kind'], string>> = { queue: 'queue', work: 'work', person: 'a person', wait: 'waits', lost: 'not heard from', unknown: 'started, result lost' };

/** The timeline of a run. Queue, work, human wait and gaps differ by texture; each row has its facts as text too. */
@Component({
  selector: 'ff-run-timeline',
  templateUrl: './run-timeline.html',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunTimelineView {
  readonly run = input.required<RunTimeline>();
  readonly selected = model<string | null>(null);
  protected readonly shorten = signal(true);
  protected readonly scale = computed(() => scaleOf(this.run(), this.shorten()));
  protected readonly split = computed(() => split(this.run()));
  protected readonly length = computed(() => duration(this.run().length));
  protected readonly ticks = computed(() => this.scale().ticks.map((tick) => ({ ...tick, left: this.scale().at(tick.time) * 100 })));
  protected readonly shortened = computed(() => this.scale().shortened.map((stretch) => this.span(stretch.from, stretch.to)));
  protected readonly gaps = computed(() => this.run().gaps.map((gap) => ({ ...gap, ...this.span(gap.from, gap.to) })));
  protected readonly up = computed(() => {
    const bars: { left: number; width: number }[] = [];
    let at = 0;
    for (const gap of this.run().gaps) {
      bars.push(this.span(at, gap.from));
      at = gap.to;
    }
    return [...bars, this.span(at, this.run().length)];
  });
  protected readonly rows = computed(() =>
    this.run().rows.map((row) => {
      const bars = this.bars(row.segments);
      const last = bars.at(-1);
      const end = last ? last.left + last.width : 0;
      const person = bars.find((bar) => bar.segment.kind === 'person' && bar.width > 14);
      return {
        row,
        bars,
        word: row.word ?? STATE_WORDS[row.state],
        time: row.segments.length === 0 ? '–' : duration(lengthOf(row)),
        inside: person ? { text: person.segment.label ?? '', left: person.left + person.width / 2 } : null,
        behind: !person && row.result !== '' && end < 62 ? { text: row.result, left: end } : null,
        attempts: row.attempts.map((attempt) => ({ ...attempt, bars: this.bars(attempt.segments), time: duration(attempt.segments.reduce((sum, segment) => sum + segment.to - segment.from, 0)) })),
      };
    }),
  );

  private span(from: number, to: number): { left: number; width: number } {
    const left = this.scale().at(from) * 100;
    return { left, width: this.scale().at(to) * 100 - left };
  }

  private bars(segments: readonly Segment[]): Bar[] {
    return segments.map((segment) => ({ segment, ...this.span(segment.from, segment.to), title: `${segment.label ?? WORDS[segment.kind]}, ${duration(segment.to - segment.from)}` }));
  }
}
