import { ChangeDetectionStrategy, Component, input } from '@angular/core';

/** An icon of the sprite. It never carries meaning alone, so it is hidden from screen readers. */
@Component({
  selector: 'ff-icon',
  template: `<svg [attr.class]="'i ' + size()" aria-hidden="true" focusable="false"><use [attr.href]="'#i-' + name()" /></svg>`,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { style: 'display: contents' },
})
export class Icon {
  readonly name = input.required<string>();
  readonly size = input<'xs' | 's' | '' | 'l'>('');
}
