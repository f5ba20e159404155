/** Workflow texts for tests: the examples of the repository, and random ones in every style of YAML. */
import { readFileSync } from 'node:fs';

import { flowText } from '../yaml/write';
import type { Random } from './random';

const EXAMPLES = ['earthquake-watch', 'bench/w1', 'bench/w2', 'bench/w2b', 'bench/w3'];

/** The text of the example that the documents speak of. */
export function earthquakeWatch(): string {
  return example('earthquake-watch');
}

/** The texts of all examples. */
export function exampleTexts(): string[] {
  return EXAMPLES.map(example);
}

function example(name: string): string {
  return readFileSync(new URL(`../../../../../../examples/${name}/workflow.yaml`, import.meta.url), 'utf8');
}

/** A random workflow. */
export function workflowText(random: Random): string {
  const note = (indent: number): string => (random.percent(20) ? `${' '.repeat(indent)}# about the next one\n` : random.percent(10) ? '\n' : '');
  const behind = (): string => (random.percent(20) ? '   # why' : '');
  let text = `${note(0)}workflow: generated\n${random.percent(50) ? 'title: For tests\n' : ''}config: { feed: https://example.com }\nnodes:${behind()}\n`;
  const names: string[] = [];
  const count = 2 + random.below(7);
  for (let index = 0; index < count; index += 1) {
    const name = `n${String(index)}`;
    const earlier = names.length > 0 ? random.pick(names) : 'input';
    text += note(2) + node(random, name, earlier, behind);
    names.push(name);
  }
  if (random.percent(60)) text += `output: { last: "\${${random.pick(names)}}" }\n`;
  return random.percent(8) ? text.replaceAll('\n', '\r\n') : text;
}

function node(random: Random, name: string, earlier: string, behind: () => string): string {
  const after = earlier !== 'input' && random.percent(40) ? random.pick([`    after: ${earlier}${behind()}\n`, `    after: [${earlier}]\n`, `    after:\n      - ${earlier}\n`]) : '';
  switch (random.below(6)) {
    case 0:
      return `  ${name}: { set: { value: "\${${earlier}}", other: 1 } }${behind()}\n`;
    case 1:
      return `  ${name}:${behind()}\n${after}    switch:\n      yes_it_is: size(${earlier}) > 1${behind()}\n      no: else\n`;
    case 2:
      return `  ${name}:\n${after}    foreach: ${earlier}.items\n    as: e${name}\n    do:${behind()}\n      inner_${name}:\n        # the call\n        call: a:b/c\n        with: ${flowText({ x: `\${e${name}.id}`, y: [1, 'two'] })}\n`;
    case 3:
      return `  ${name}:\n${after}    approval:\n      title: "Send \${${earlier}.count} of '${name}'?"\n      approvers:\n        - duty${behind()}\n        - team\n`;
    case 4:
      return `  ${name}:\n${after}    set:\n      text: |\n        first \${${earlier}.a}\n        second line\n      sum: \${${earlier}.b + 1}\n`;
    default:
      return `  ${name}:\n    call: a:b/c   # the operation\n    with:\n      url: https://x/\${${earlier}.id}${behind()}\n      deep: { a: [1, { b: "\${${earlier}}" }] }\n    allow: ["\${config.feed}"]\n    retry: { attempts: 3 }\n${after}`;
  }
}
