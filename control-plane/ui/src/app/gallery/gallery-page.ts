import { ChangeDetectionStrategy, Component, inject, signal, viewChild } from '@angular/core';

import { CommandList } from '../components/command-list';
import { Dialog } from '../components/dialog';
import { ExpressionBox } from '../components/expression-box';
import { Icon } from '../components/icon';
import { NamesBox } from '../components/names-box';
import { PortField } from '../components/port-field';
import { RunTimelineView } from '../components/run-timeline';
import { StateView } from '../components/state-view';
import { Status } from '../components/status';
import { Tabs } from '../components/tabs';
import type { Meaning } from '../domain/expression/infer';
import { tyOfValue } from '../domain/expression/types';
import type { Json } from '../domain/json';
import { NodeCard } from '../editor/canvas/node-card';
import { Messages } from '../state/messages';
import { CARDS, COMMANDS, PORTS, STATES, TIMELINE } from './fixtures';

const QUAKE: Json = { properties: { mag: 4.7, magType: 'mb', place: '7km E of Hualian, Taiwan' } };

/** Every component in every state, on one page. */
@Component({
  selector: 'ff-gallery-page',
  templateUrl: './gallery-page.html',
  imports: [CommandList, Dialog, ExpressionBox, Icon, NamesBox, NodeCard, PortField, RunTimelineView, StateView, Status, Tabs],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class GalleryPage {
  protected readonly messages = inject(Messages);
  protected readonly states = STATES;
  protected readonly cards = CARDS;
  protected readonly commands = COMMANDS;
  protected readonly timeline = TIMELINE;
  protected readonly ports = PORTS.map((port) => ({ ...port, current: signal(port.value) }));
  protected readonly tab = signal('inputs');
  protected readonly tabs = [{ id: 'inputs', label: 'Inputs' }, { id: 'behaviour', label: 'Behaviour' }, { id: 'log', label: 'Log', count: 23 }] as const;
  protected readonly names = signal<readonly string[]>(['duty', 'security']);
  protected readonly segment = signal('Table');
  protected readonly expression = signal('quake.properties.mag');
  protected readonly wrong = signal('quake.properties.');
  protected readonly scope = new Map<string, Meaning>([['quake', { type: tyOfValue(QUAKE), value: QUAKE }]]);
  private readonly dialog = viewChild.required(Dialog);

  protected openDialog(): void {
    this.dialog().open();
  }

  protected toast(): void {
    this.messages.done('3 nodes deleted', { label: 'Undo', run: () => { this.messages.done('3 nodes are back'); } });
  }

  protected refuse(): void {
    this.messages.refused('notify waits for fetch already: that would be a circle.');
  }
}
