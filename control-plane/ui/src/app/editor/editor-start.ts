import { ChangeDetectionStrategy, Component, type ElementRef, inject, signal, viewChild } from '@angular/core';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { readYaml } from '../domain/yaml/tree';
import { readWorkflow } from '../domain/workflow/read';
import { EditorStore } from '../state/editor-store';

const BLANK = 'workflow: new-workflow\nnodes:\n';

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
  protected readonly failure = signal<string | null>(null);
  protected readonly pasted = signal('');
  protected readonly loading = signal(false);
  private readonly dialog = viewChild.required(Dialog);
  private readonly box = viewChild.required<ElementRef<HTMLTextAreaElement>>('box');

  protected blank(): void {
    this.store.open(BLANK);
  }

  protected async example(): Promise<void> {
    this.loading.set(true);
    this.failure.set(null);
    try {
      const { default: text } = await import('../../../../../examples/earthquake-watch/workflow.yaml');
      this.store.open(text);
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
