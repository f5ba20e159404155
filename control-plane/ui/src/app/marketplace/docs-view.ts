import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { docsOf } from '../domain/marketplace/docs';

/** What an author wrote, as text: paragraphs, and code in its own type. */
@Component({
  selector: 'ff-docs',
  template: `@for (paragraph of paragraphs(); track $index) {<p>@for (part of paragraph; track $index) {@if (part.code) {<code>{{ part.text }}</code>} @else {{{ part.text }}}}</p>}`,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'docs' },
})
export class DocsView {
  readonly text = input.required<string>();
  protected readonly paragraphs = computed(() => docsOf(this.text()));
}
