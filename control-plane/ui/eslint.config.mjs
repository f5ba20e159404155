// Rules of the house: types are used, promises are not lost, no `any`, no `!`, templates are accessible.
import js from '@eslint/js';
import angular from 'angular-eslint';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', '.angular/', 'out-tsc/', 'shots/', 'node_modules/'] },
  {
    files: ['**/*.ts'],
    extends: [js.configs.recommended, ...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked, ...angular.configs.tsRecommended],
    processor: angular.processInlineTemplates,
    languageOptions: { parserOptions: { project: ['./tsconfig.app.json', './tsconfig.spec.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@angular-eslint/component-selector': ['error', { type: 'element', prefix: 'ff', style: 'kebab-case' }],
      '@angular-eslint/prefer-on-push-component-change-detection': 'error',
      '@angular-eslint/prefer-signals': 'error',
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'max-lines': ['error', { max: 500 }],
    },
  },
  {
    files: ['src/app/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/testing/**', 'src/app/domain/json-text.ts'],
    rules: { 'no-restricted-properties': ['error', { object: 'JSON', message: 'domain/json-text.ts keeps every digit of whole numbers' }] },
  },
  { files: ['src/app/**/*.ts'], ignores: ['src/app/domain/**', '**/*.spec.ts'], rules: { 'max-lines': ['error', { max: 300 }] } },
  // Made by tools/api.mjs, in the shape that is simplest to make.
  { files: ['src/app/data/api/operations.ts'], rules: { '@typescript-eslint/consistent-type-definitions': 'off', 'max-lines': 'off' } },
  {
    files: ['src/app/domain/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: ['@angular/*', '@ngrx/*', '@foblex/*', '@codemirror/*', '**/components/**', '**/state/**', '**/data/**', '**/editor/**'], message: 'the domain knows no framework and no view' }] }] },
  },
  { files: ['**/*.html'], extends: [...angular.configs.templateRecommended, ...angular.configs.templateAccessibility], rules: { '@angular-eslint/template/click-events-have-key-events': 'off', '@angular-eslint/template/interactive-supports-focus': 'off', '@angular-eslint/template/label-has-associated-control': 'off' } },
  { files: ['**/*.mjs'], extends: [js.configs.recommended], languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly', document: 'readonly', window: 'readonly', setTimeout: 'readonly', performance: 'readonly', requestAnimationFrame: 'readonly', localStorage: 'readonly', sessionStorage: 'readonly', location: 'readonly', getComputedStyle: 'readonly', Buffer: 'readonly', DataTransfer: 'readonly', fetch: 'readonly', Event: 'readonly', ClipboardEvent: 'readonly' } } },
);
