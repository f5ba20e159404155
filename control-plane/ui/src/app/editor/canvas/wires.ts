import { ChangeDetectionStrategy, Component, input } from '@angular/core';

import type { EdgeViews } from './canvas-views';

/** The connections: one path for each look, and one for each that stands out, so that it can follow a card that is dragged. */
@Component({
  // The flow library draws only elements of its own kind at this place, so that this one cannot have a name of ours.
  // eslint-disable-next-line @angular-eslint/component-selector
  selector: 'svg[ffWires]',
  template: `
    <svg:path class="wire" [attr.d]="edges().plain" />
    <svg:path class="wire order" [attr.d]="edges().order" />
    @if (hovered(); as path) {
      <svg:path class="wire hovered" [attr.d]="path" />
    }
    @for (edge of edges().active; track edge.id) {
      <svg:path class="wire sel" [attr.data-edge]="edge.id" [class.order]="edge.order" [class.ref]="edge.implied" [attr.d]="edge.path" />
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'wires', 'aria-hidden': 'true' },
})
export class Wires {
  readonly edges = input.required<EdgeViews>();
  /** The way of the connection under the pointer. */
  readonly hovered = input<string | null>(null);
}
