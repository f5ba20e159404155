/** A YAML file of the repository, built in as its text. */
declare module '*.yaml' {
  const text: string;
  export default text;
}
