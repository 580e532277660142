// The description of the endpoint: whether it is OpenAPI 3.1, and whether
// answers are what it says.
//
// given.file is the description.  Without given.calls, what is wrong with the
// file, and as its figures the file itself.  given.calls: a file of JSON lines
//
//   {"name":…,"path":"/v1/codes/{code}","method":"get","status":200,
//    "type":"application/json","headers":{…},"sent":…,"bodies":[…]}
//
// each a call of a real module.  Checked is that every body, header and status
// is described; and that all which is described was in some call, but for
// given.unseen, a list of what cannot be.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.TEST_WEB}/`);
const redocly = require('@redocly/openapi-core');
const Ajv = require('ajv/dist/2020').default;
const addFormats = require('ajv-formats').default;

const given = JSON.parse(readFileSync(0, 'utf8'));
const source = readFileSync(given.file, 'utf8');
const doc = redocly.parseYaml(source);

function say(line) {
    process.stdout.write(`${JSON.stringify(line)}\n`);
}

function ok(good, name, diag) {
    say({ ok: !!good, name, diag: good ? undefined : diag });
}

function none(list, name) {
    ok(list.length === 0, name, list.slice(0, 20).join('\n'));
}


// ------------------------------------------------------------ the document --

const rules = {
    'info-license-url': 'off',              // it has an identifier
    'no-server-example.com': 'off',
    'operation-4xx-response': 'error',
    'no-invalid-media-type-examples': 'error',
    'no-invalid-parameter-examples': 'error',
    'no-invalid-schema-examples': 'error',
    'no-unused-components': 'error',
    'operation-operationId': 'error',
    'operation-description': 'off',
};

async function lint() {
    const config = await redocly.createConfig({ extends: ['recommended'],
        rules });
    const problems = await redocly.lintFromString({ source, config,
        absoluteRef: given.file });

    none(problems.map((p) => `${p.ruleId}: ${p.message} at `
        + p.location.map((l) => l.pointer).join(' ')),
    'the description is OpenAPI 3.1');
    ok(doc.openapi === '3.1.0', 'and says so', doc.openapi);
    say({ figures: doc });
}


// ---------------------------------------------------------------- pointers --

const escape = (s) => String(s).replace(/~/g, '~0').replace(/\//g, '~1');
const down = (pointer, ...names) => [pointer, ...names.map(escape)].join('/');

function at(pointer) {
    return pointer.split('/').slice(1).reduce((node, name) =>
        node[name.replace(/~1/g, '/').replace(/~0/g, '~')], doc);
}

// Where a node is that may be a reference alone.

function home(pointer) {
    const node = at(pointer);

    return node && node.$ref ? home(node.$ref.slice(1)) : pointer;
}

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
const validators = new Map();

addFormats(ajv);
ajv.addSchema({ $id: 'doc:openapi', ...doc }, 'doc:openapi');

function validator(pointer) {
    if (!validators.has(pointer)) {
        validators.set(pointer, ajv.compile({
            $ref: `doc:openapi#${pointer.split('/').map((s) =>
                encodeURIComponent(s)).join('/')}` }));
    }

    return validators.get(pointer);
}


// ---------------------------------------------------------------- coverage --

// A property is what a schema says of one name, at the place where it does.

const seen = new Set();

function parts(pointer, each) {
    const schema = at(pointer);

    if (schema.$ref) {
        each(schema.$ref.slice(1), 'same');
    }

    for (const key of ['allOf', 'oneOf', 'anyOf']) {
        (schema[key] || []).forEach((_, i) =>
            each(down(pointer, key, i), key === 'allOf' ? 'same' : 'choice'));
    }

    for (const name of Object.keys(schema.properties || {})) {
        each(down(pointer, 'properties', name), 'property', name);
    }

    if (schema.items) {
        each(down(pointer, 'items'), 'items');
    }

    if (typeof schema.additionalProperties === 'object') {
        each(down(pointer, 'additionalProperties'), 'rest');
    }
}

const isObject = (data) =>
    data !== null && typeof data === 'object' && !Array.isArray(data);

function walk(pointer, data) {
    const { properties = {} } = at(pointer);

    parts(pointer, (child, how, name) => {
        if (how === 'same' || (how === 'choice' && validator(child)(data))) {
            walk(child, data);
        } else if (how === 'items' && Array.isArray(data)) {
            data.forEach((item) => walk(child, item));
        } else if (how === 'property' && isObject(data)
            && Object.hasOwn(data, name)) {
            seen.add(child);
            walk(child, data[name]);
        } else if (how === 'rest' && isObject(data)) {
            for (const key of Object.keys(data)) {
                if (!Object.hasOwn(properties, key)) {
                    seen.add(child);
                    walk(child, data[key]);
                }
            }
        }
    });
}

function declared(pointer, found = new Set(), been = new Set()) {
    if (!been.has(pointer)) {
        been.add(pointer);
        parts(pointer, (child, how) => {
            if (how === 'property' || how === 'rest') {
                found.add(child);
            }

            declared(child, found, been);
        });
    }

    return found;
}


// ------------------------------------------------------------------- calls --

function check(call, wrong) {
    const operation = down('', 'paths', call.path, call.method);
    const fail = (what) => wrong.push(`${call.name}: ${what}`);

    if (!at(operation).responses[call.status]) {
        fail(`no status ${call.status}`);
        return;
    }

    const response = home(down(operation, 'responses', call.status));

    seen.add(down(operation, 'responses', call.status));
    call.bodies.forEach((body) =>
        seen.add(`${down(operation, 'responses', call.status)} ${body.code}`));
    headers(response, call, fail);

    const content = at(response).content;

    if (!content || !call.type) {
        if (content || call.type) {
            fail(`content type ${call.type}`);
        }
    } else if (!content[call.type]) {
        fail(`content type ${call.type}, not ${Object.keys(content)}`);
    } else if (content[call.type].schema) {
        bodies(down(response, 'content', call.type, 'schema'), call.bodies,
            fail);
    }

    if (call.sent && call.status < 300) {
        const request = down(operation, 'requestBody', 'content', call.as,
            'schema');

        seen.add(down(operation, 'requestBody', 'content', call.as));
        bodies(request, call.sent, (what) => fail(`what was sent: ${what}`));
    }
}

function bodies(pointer, list, fail) {
    const validate = validator(pointer);

    for (const body of list) {
        if (validate(body)) {
            walk(pointer, body);
        } else {
            fail(`${ajv.errorsText(validate.errors.slice(-4))} in `
                + JSON.stringify(body).slice(0, 600));
        }
    }
}

function headers(response, call, fail) {
    const described = at(response).headers || {};

    for (const name of Object.keys(described)) {
        const header = home(down(response, 'headers', name));
        const value = call.headers[name.toLowerCase()];
        const number = at(header).schema.type === 'integer';

        if (value === undefined) {
            if (at(header).required) {
                fail(`no header ${name}`);
            }
        } else if (!validator(down(header, 'schema'))(number ? +value : value)) {
            fail(`header ${name}: ${value}`);
        } else {
            seen.add(header);
        }
    }

    for (const name of Object.keys(call.headers)) {
        if (!Object.keys(described).some((d) => d.toLowerCase() === name)) {
            fail(`header ${name} is not described`);
        }
    }
}

function described() {
    const all = new Set();

    for (const path of Object.keys(doc.paths)) {
        for (const method of Object.keys(doc.paths[path])) {
            if (method === 'parameters' || method === 'servers') {
                continue;
            }

            const operation = down('', 'paths', path, method);
            const { responses, requestBody } = at(operation);

            for (const status of Object.keys(responses)) {
                const pointer = down(operation, 'responses', status);

                all.add(pointer);
                problems(home(pointer)).forEach((code) =>
                    all.add(`${pointer} ${code}`));
                content(home(pointer), all);
            }

            if (requestBody) {
                content(down(operation, 'requestBody'), all);
                Object.keys(requestBody.content).forEach((type) =>
                    all.add(down(operation, 'requestBody', 'content', type)));
            }
        }
    }

    return all;
}

// The codes of the problems that a response may be.

function problems(pointer) {
    const problem = (at(pointer).content || {})['application/problem+json'];

    return problem ? problem.schema.allOf[1].properties.code.enum : [];
}

function content(pointer, all) {
    for (const [type, { schema }] of Object.entries(at(pointer).content || {})) {
        schema && declared(down(pointer, 'content', type, 'schema'), all);
    }
}

function compare() {
    const wrong = [];
    const lines = readFileSync(given.calls, 'utf8').trim().split('\n');
    const unseen = new Set(given.unseen);

    lines.forEach((line) => check(JSON.parse(line), wrong));

    const all = [...described()];

    none([...new Set(wrong)], `${lines.length} answers are as described`);
    none(all.filter((p) => !seen.has(p) && !unseen.has(p)),
        `all of ${all.length} that is described was seen`);
    none([...unseen].filter((p) => seen.has(p) || !all.includes(p)),
        'what is said to be never seen is described and was not seen');
}


if (given.calls) {
    compare();
} else {
    await lint();
}

say({ done: true });
