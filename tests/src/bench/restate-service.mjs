// The workload `w1` for Restate: ten journalled steps, each parses a small object and sets a field.
// Its SDK asks for a function that Node 20 lacks.
Promise.withResolvers ??= function () {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
const restate = await import('@restatedev/restate-sdk');

const step = (text) => {
  const value = JSON.parse(text);
  value.n = (value.n ?? 0) + 1;
  return JSON.stringify(value);
};

const bench = restate.service({
  name: 'bench',
  handlers: {
    w1: async (context, input) => {
      let text = JSON.stringify(input);
      for (let n = 1; n <= 10; n += 1) text = await context.run(`s${n}`, () => step(text));
      return JSON.parse(text);
    },
  },
});

restate.serve({ services: [bench], port: Number(process.env.SERVICE_PORT) });
