import { ChangeDetectionStrategy, Component, computed, inject, output } from '@angular/core';

import { place } from '../domain/text/lines';
import type { Problem } from '../domain/workflow/problems';
import { EditorStore } from '../state/editor-store';

/** What is wrong, in the order of the text. Choosing one shows it in the text and on the canvas. */
@Component({
  selector: 'ff-problems',
  template: `
    <ol class="problems" aria-label="Problems">
      @for (row of rows(); track $index) {
        <li>
          <button type="button" (click)="chosen.emit(row.problem)">
            <svg class="sg" [class.failed]="!row.problem.warning" [class.review]="row.problem.warning" [attr.aria-label]="row.problem.warning ? 'Warning' : 'Error'" role="img"><use [attr.href]="row.problem.warning ? '#i-state-review' : '#i-state-failed'" /></svg>
            <span class="grow"><span class="what">{{ row.problem.message }}</span>@if (row.problem.mend; as mend) {<span class="t2 mend">{{ mend }}</span>}</span>
            <span class="mono t3 nowrap">{{ row.problem.code }}</span>
            <span class="mono t3 nowrap num">{{ row.line }}:{{ row.column }}</span>
          </button>
        </li>
      }
    </ol>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ProblemsPanel {
  private readonly store = inject(EditorStore);
  readonly chosen = output<Problem>();
  protected readonly rows = computed(() => this.store.problems().map((problem) => ({ problem, ...place(this.store.text(), problem.from) })));
}
