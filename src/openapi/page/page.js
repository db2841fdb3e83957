// Shows /openapi.json: operations by service, then the schemas they speak of.

const VERBS = ['get', 'post', 'put', 'patch', 'delete'];

/** An element with attributes and children; text is always text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A line with `code` in it. */
function line(text) {
  return text.split('`').map((part, at) => (at % 2 ? make('code', {}, part) : part));
}

/** A comment: paragraphs, and lists of lines that begin with a dash. */
function prose(text = '') {
  const blocks = text.split('\n\n').flatMap((block) => block.split(/\n(?=- )/));
  return blocks.filter(Boolean).map((block) =>
    block.startsWith('- ') ? make('ul', {}, make('li', {}, line(block.slice(2)))) : make('p', {}, line(block)),
  );
}

/** Follows a reference within the document. */
function follow(api, schema) {
  if (!schema?.$ref) return schema;
  return schema.$ref.slice(2).split('/').reduce((part, name) => part[name], api);
}

const nameOf = (schema) => schema.$ref?.split('/').pop();

/** What a value is, in a word or two; a named schema is a link. */
function kind(schema) {
  if (schema.$ref) return [make('a', { href: `#schema-${nameOf(schema)}` }, nameOf(schema))];
  if (schema.type === 'array') return ['list of ', ...kind(schema.items)];
  return [schema.format ? `${schema.type} (${schema.format})` : schema.type];
}

const BOUNDS = {
  minLength: 'at least this many characters',
  maxLength: 'at most this many characters',
  minimum: '≥',
  exclusiveMinimum: '>',
  maximum: '≤',
  exclusiveMaximum: '<',
  minItems: 'at least this many',
  maxItems: 'at most this many',
  pattern: 'matches',
  enum: 'one of',
};

/** The bounds of a value, one a line. */
function bounds(schema) {
  const own = Object.entries(BOUNDS).filter(([name]) => name in schema);
  const lines = own.map(([name, words]) =>
    make('li', { class: 'soft' }, `${words} `, make('code', {}, [schema[name]].flat().map((value) => value || '""').join(', '))),
  );
  const items = schema.items && !schema.items.$ref ? bounds(schema.items) : null;
  return lines.length || items ? make('ul', {}, lines, items && make('li', { class: 'soft' }, 'each:', items)) : null;
}

function table(head, rows) {
  const cells = (tag, row) => make('tr', {}, row.map((cell) => make(tag, {}, cell)));
  return make(
    'div',
    { class: 'wide' },
    make('table', {}, make('thead', {}, cells('th', head)), make('tbody', {}, rows.map((row) => cells('td', row)))),
  );
}

/** Fields of an object in the order of the proto. */
function fields(schema) {
  return Object.entries(schema.properties ?? {}).sort(([, a], [, b]) => (a['x-gad-number'] ?? 0) - (b['x-gad-number'] ?? 0));
}

/** The fields of an object; `writable`: without those that requests ignore. */
function fieldTable(schema, writable) {
  const shown = fields(schema).filter(([, field]) => !writable || !field.readOnly);
  const rows = shown.map(([name, field]) => [
    [make('code', {}, name), schema.required?.includes(name) ? ' *' : ''],
    kind(field),
    [...prose(field.description), bounds(field)].filter(Boolean),
  ]);
  return rows.length ? table(['Field', 'Type', 'Meaning'], rows) : make('p', { class: 'soft' }, 'Nothing.');
}

/** Fields that an example does without: they only fit what the caller saw before. */
const SEEN_BEFORE = ['id', 'etag', 'page_token'];

/** A value that would fit. */
function example(api, schema, depth = 0) {
  const named = { ...follow(api, schema), ...schema };
  if (named.enum) return named.enum.find((word) => word && !word.endsWith('_UNSPECIFIED')) ?? named.enum[0];
  if (named.examples) return named.examples[0];
  switch (named.type) {
    case 'object': {
      const writable = fields(named).filter(([, field]) => !field.readOnly);
      const required = writable.filter(([name]) => named.required?.includes(name));
      const chosen = required.length ? required : writable.filter(([name]) => !SEEN_BEFORE.includes(name)).slice(0, 4);
      return depth > 3 ? {} : Object.fromEntries(chosen.map(([name, field]) => [name, example(api, field, depth + 1)]));
    }
    case 'array':
      return [example(api, named.items, depth + 1)];
    case 'boolean':
      return true;
    case 'integer':
    case 'number':
      return Math.max(named.minimum ?? 1, Math.min(1, named.maximum ?? 1));
    default:
      if (named.format === 'date-time') return '2026-01-31T08:00:00Z';
      return named.format === 'int64' ? '1' : 'text';
  }
}

/** A call that can be pasted into a shell. */
function curl(api, verb, path, operation) {
  const value = (parameter) => encodeURIComponent([example(api, parameter.schema)].flat()[0]);
  const all = operation.parameters ?? [];
  const filled = all
    .filter((parameter) => parameter.in === 'path')
    .reduce((text, parameter) => text.replace(`{${parameter.name}}`, value(parameter)), path);
  const query = all
    .filter((parameter) => parameter.in === 'query' && parameter.required)
    .map((parameter) => `${parameter.name}=${value(parameter)}`);
  const words = ['curl'];
  if (operation['x-gad-streaming']) words.push('-N');
  if (verb !== 'get') words.push('-X', verb.toUpperCase());
  words.push(`'${location.origin}${filled}${query.length ? `?${query.join('&')}` : ''}'`);
  if (!operation.security) words.push('\\\n  -H "authorization: Bearer $TOKEN"');
  const body = operation.requestBody?.content['application/json'].schema;
  if (body) words.push(`\\\n  -H 'content-type: application/json' -d '${JSON.stringify(example(api, body))}'`);
  return words.join(' ');
}

function response(api, status, given) {
  const answer = follow(api, given);
  const schema = answer.content?.['application/json']?.schema;
  return [make('code', {}, status), schema ? kind(schema) : '', prose(answer.description)];
}

function operationBox(api, verb, path, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => [
    [make('code', {}, parameter.name), parameter.required ? ' *' : ''],
    parameter.in,
    kind(parameter.schema),
    [...prose(parameter.description), bounds(parameter.schema)].filter(Boolean),
  ]);
  const body = operation.requestBody?.content['application/json'].schema;
  const facts = [
    `Level: ${operation['x-gad-level']}`,
    operation['x-gad-permission'] && `permission: ${operation['x-gad-permission']}`,
    `rate class: ${operation['x-gad-rate']}`,
    operation['x-gad-audited'] && 'audited',
    `gRPC: ${operation['x-gad-rpc']}`,
  ];
  return make(
    'details',
    { id: operation.operationId },
    make(
      'summary',
      {},
      make('code', { class: 'verb' }, verb.toUpperCase()),
      make('code', {}, path),
      ' ',
      make('span', { class: 'soft' }, line(operation.summary)),
    ),
    make(
      'div',
      {},
      prose(operation.description),
      make('p', { class: 'soft' }, facts.filter(Boolean).join(' · ')),
      parameters.length ? [make('h4', {}, 'Parameters'), table(['Name', 'In', 'Type', 'Meaning'], parameters)] : [],
      body ? [make('h4', {}, 'Body: ', body.$ref ? kind(body) : ''), fieldTable(follow(api, body), true)] : [],
      make('h4', {}, 'Responses'),
      table(['Status', 'Body', 'Meaning'], Object.entries(operation.responses).map(([status, answer]) => response(api, status, answer))),
      make('h4', {}, 'Example'),
      make('pre', {}, curl(api, verb, path, operation)),
    ),
  );
}

function operations(api) {
  return Object.entries(api.paths).flatMap(([path, item]) =>
    VERBS.filter((verb) => item[verb]).map((verb) => ({ verb, path, operation: item[verb] })),
  );
}

function show(api) {
  const all = operations(api);
  const sections = api.tags.map((tag) => {
    const own = all.filter(({ operation }) => operation.tags.includes(tag.name));
    const boxes = own.map(({ verb, path, operation }) => operationBox(api, verb, path, operation));
    return make('section', { id: tag.name }, make('h2', {}, tag.name), prose(tag.description), boxes);
  });
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) =>
    make(
      'details',
      { id: `schema-${name}` },
      make('summary', {}, make('code', {}, name)),
      make('div', {}, prose(schema.description), schema.properties ? fieldTable(schema, false) : bounds(schema)),
    ),
  );
  const links = [...api.tags.map((tag) => tag.name), 'schemas'];
  document.getElementById('contents').replaceChildren(
    make('ul', {}, links.map((name) => make('li', {}, make('a', { href: `#${name}` }, name)))),
  );
  document
    .getElementById('main')
    .replaceChildren(
      ...prose(api.info.description),
      ...sections,
      make('section', { id: 'schemas' }, make('h2', {}, 'Schemas'), make('p', { class: 'soft' }, '* required'), schemas),
    );
}

/** Opens what the address names. */
function open() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

function search(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  for (const box of document.querySelectorAll('main details')) {
    const text = box.firstElementChild.textContent.toLowerCase();
    box.hidden = !wanted.every((word) => text.includes(word));
  }
}

try {
  const answer = await fetch('/openapi.json');
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  show(await answer.json());
  open();
  addEventListener('hashchange', open);
  document.getElementById('search').addEventListener('input', (event) => search(event.target.value));
} catch (cause) {
  document.getElementById('status').textContent = `The document could not be read: ${cause.message}`;
}
