import { ChangeDetectionStrategy, Component, type ElementRef, inject, signal, viewChild } from '@angular/core';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { BLANK } from '../domain/workflow/blank';
import { readYaml } from '../domain/yaml/tree';
import { readWorkflow } from '../domain/workflow/read';
import { EditorStore } from '../state/editor-store';
import { DraftKeeper } from './drafts/draft-keeper';

/** Three ways to begin: blank, an example, a text. Nothing in it runs or is fetched. */
@Component({
  selector: 'ff-editor-start',
  templateUrl: './editor-start.html',
  imports: [Dialog, Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'start' },
})
export class EditorStart {
  private readonly store = inject(EditorStore);
  private readonly keeper = inject(DraftKeeper);
  protected readonly failure = signal<string | null>(null);
  protected readonly pasted = signal('');
  protected readonly loading = signal(false);
  private readonly dialog = viewChild.required(Dialog);
  private readonly box = viewChild.required<ElementRef<HTMLTextAreaElement>>('box');

  protected async blank(): Promise<void> {
    this.store.open(await this.named(BLANK));
  }

  /** The text with a name that nothing else has. */
  private async named(text: string): Promise<string> {
    const name = readWorkflow(readYaml(text)).name;
    const free = await this.keeper.freeName(name);
    return free === name ? text : text.replace(`workflow: ${name}`, `workflow: ${free}`);
  }

  protected async example(): Promise<void> {
    this.loading.set(true);
    this.failure.set(null);
    try {
      const { default: text } = await import('../../../../../examples/earthquake-watch/workflow.yaml');
      this.store.open(await this.named(text));
    } catch {
      this.failure.set('The example could not be read: the server does not answer. Nothing is lost; choose it again.');
    } finally {
      this.loading.set(false);
    }
  }

  protected paste(): void {
    this.dialog().open();
    this.box().nativeElement.focus();
  }

  protected onPaste(event: Event): void {
    if (event.target instanceof HTMLTextAreaElement) this.pasted.set(event.target.value);
  }

  protected summary(): string {
    const source = readYaml(this.pasted());
    const graph = readWorkflow(source);
    if (this.pasted().trim() === '') return 'A workflow as YAML. Nothing in it runs or is fetched.';
    if (graph.nodes.length === 0) return source.mistakes.length > 0 ? 'This is not YAML yet; it can be opened and mended.' : 'No nodes are found in it yet.';
    return `${graph.name === '' ? 'A workflow' : graph.name}: ${graph.nodes.length === 1 ? '1 node' : `${String(graph.nodes.length)} nodes`}.`;
  }

  protected openPasted(): void {
    this.dialog().close();
    this.store.open(this.pasted());
  }
}
