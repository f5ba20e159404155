import { ChangeDetectionStrategy, Component, computed, effect, input, signal, untracked } from '@angular/core';

import { type Artefact, lookOf, readCsv } from '../domain/runs/artefacts';
import { sizeWords, TEXT_MAX } from '../domain/runs/data';
import { Icon } from './icon';

const ANSWER_MS = 30_000;

/** A file that a step made: its name and size, a way to save it, and where that is safe a look at it. What it holds is only shown. */
@Component({
  selector: 'ff-artefact',
  template: `
    @let file = of();
    <p class="row small"><ff-icon name="file" size="s" /><b class="strong cut">{{ file.name }}</b><span class="t3 nowrap">{{ file.mediaType }} · {{ size() }}</span><span class="grow"></span><a class="btn" [href]="address()" [download]="file.name"><ff-icon name="download" size="s" />Save</a></p>
    @if (failure(); as why) {<p class="small failed-text" role="alert">{{ why }}</p>}
    @if (picture(); as source) {<img class="artefact-picture" [src]="source" [alt]="file.name" />}
    @if (table(); as shown) {
      <div class="scroll value-table" tabindex="0" role="region" [attr.aria-label]="file.name">
        <table><thead><tr>@for (name of shown.head; track $index) {<th scope="col">{{ name }}</th>}</tr></thead><tbody>@for (row of shown.rows; track $index) {<tr>@for (cell of row; track $index) {<td class="mono">{{ cell }}</td>}</tr>}</tbody></table>
      </div>
      @if (shown.cut) {<p class="small t2">The first {{ shown.rows.length }} rows. Save it to see all.</p>}
    }
    @if (text(); as shown) {<pre class="value-json" tabindex="0" [attr.aria-label]="file.name">{{ shown }}</pre>@if (long()) {<p class="small t2">Cut; the whole has {{ size() }}.</p>}}
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'artefact' },
})
export class ArtefactView {
  readonly of = input.required<Artefact>();
  protected readonly size = computed(() => sizeWords(this.of().size));
  protected readonly address = computed(() => `/artefacts/${this.of().digest}`);
  private readonly look = computed(() => lookOf(this.of()));
  private readonly bytes = signal<{ readonly digest: string; readonly text: string; readonly picture: string } | null>(null);
  protected readonly failure = signal<string | null>(null);
  protected readonly picture = computed(() => (this.look() === 'image' ? this.bytes()?.picture : ''));
  private readonly content = computed(() => this.bytes()?.text ?? '');
  protected readonly table = computed(() => (this.look() === 'table' && this.bytes() ? readCsv(this.content(), this.of().mediaType.startsWith('text/tab') ? '\t' : ',') : null));
  protected readonly long = computed(() => this.content().length > TEXT_MAX);
  protected readonly text = computed(() => (this.look() === 'text' ? this.content().slice(0, TEXT_MAX) : ''));

  constructor() {
    effect(() => {
      const file = this.of();
      const wanted = this.look() !== 'none';
      untracked(() => {
        this.bytes.set(null);
        this.failure.set(null);
        if (wanted) void this.fetch(file.digest, file.mediaType);
      });
    });
  }

  private async fetch(digest: string, type: string): Promise<void> {
    try {
      const response = await fetch(`/artefacts/${digest}`, { signal: AbortSignal.timeout(ANSWER_MS) });
      if (!response.ok) {
        this.failure.set(response.status === 404 ? 'The file is not here yet: its host sends it when it can.' : 'The file could not be loaded.');
        return;
      }
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (digest !== this.of().digest) return;
      if (this.look() === 'image') this.bytes.set({ digest, text: '', picture: `data:${type};base64,${base64(bytes)}` });
      else this.bytes.set({ digest, text: new TextDecoder().decode(bytes), picture: '' });
    } catch {
      this.failure.set('The control plane does not answer; the file could not be loaded.');
    }
  }
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
