// Proves the peers before they judge ferry: client.mjs against service.mjs must give what the vectors recorded.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const execute = promisify(execFile);
const readJson = (...path) => JSON.parse(readFileSync(join(here, ...path), 'utf8'));
const cases = readJson('cases.json');

let passed = 0;
let failed = 0;

function check(name, actual, expected) {
  if (isDeepStrictEqual(actual, expected)) {
    passed++;
    return;
  }
  failed++;
  console.log(`FAILED ${name}\n  expected ${JSON.stringify(expected)}\n  actual   ${JSON.stringify(actual)}`);
}

async function startService(...args) {
  const child = spawn(process.execPath, [join(here, 'service.mjs'), '--port', '0', ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = [];
  const output = createInterface(child.stdout);
  const exited = once(child, 'exit');
  const [first] = await Promise.race([once(output, 'line'), exited]);
  if (!String(first).startsWith('READY ')) throw new Error('service.mjs did not start');
  output.on('line', (line) => lines.push(JSON.parse(line)));
  return { child, lines, exited, port: JSON.parse(first.slice('READY '.length)).port };
}

async function runProgram(program, port, ...args) {
  const { stdout } = await execute(process.execPath, [join(here, program), '--port', String(port), ...args], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

const call = async (port, pattern, data, ...args) => {
  const [result] = await runProgram('client.mjs', port, '--call', JSON.stringify(pattern), JSON.stringify(data), ...args);
  return result;
};

/** The recorded vectors and our case list must not drift apart. */
function checkCasesCoverVectors() {
  for (const vector of readJson('..', '..', 'vectors', 'tcp-envelopes.json').vectors) {
    const testCase = cases.find(({ name }) => name === vector.name);
    const [sent] = vector.clientToServer;
    check(`${vector.name}: case equals vector`, testCase && {
      kind: testCase.kind,
      pattern: testCase.pattern,
      observes: testCase.expect,
      ...(sent && { data: testCase.data }),
    }, {
      kind: vector.kind === 'event' ? 'emit' : 'send',
      pattern: vector.pattern,
      observes: { completed: false, ...vector.clientObserves },
      ...(sent && { data: JSON.parse(sent.frame.slice(sent.frame.indexOf('#') + 1)).data }),
    });
  }
}

async function checkCases() {
  const { child, lines, exited, port } = await startService();
  const results = await runProgram('client.mjs', port, '--cases', join(here, 'cases.json'));
  check('one result a case', results.length, cases.length);
  cases.forEach(({ name, expect }, index) => check(name, results[index], { name, ...expect }));

  const events = cases.flatMap((testCase) => testCase.events ?? []);
  const counts = {};
  for (const { event } of events) counts[event] = (counts[event] ?? 0) + 1;
  check('stats', (await call(port, 'stats', {})).emitted, [counts]);
  check('event lines', lines, events);

  check('10000 items', (await call(port, 'bigstream', 10000)).emitted.length, 10000);
  check('negative data', (await call(port, 'echo', -1)).emitted, [-1]);
  check('concurrent', await runProgram('client.mjs', port, '--cases', join(here, 'cases.json'), '--concurrent', '500'), [
    { ok: 500, failed: 0 },
  ]);
  const [stall] = await runProgram('stall.mjs', port, '--requests', '8', '--bytes', '100');
  check('small stall run', { ...stall, ms: 0 }, { ok: 8, failed: 0, ms: 0 });

  child.stdin.end();
  check('ends when stdin closes', await exited, [0, null]);
  check('refused', (await call(port, 'echo', 1)).error.code, 'ECONNREFUSED');
}

async function checkTls() {
  const directory = mkdtempSync(join(tmpdir(), 'ferry-interop-'));
  try {
    await execute('sh', [join(here, '..', 'certs.sh'), directory]);
    const file = (name) => join(directory, name);
    const identity = (name) => ['--tls-key', file(`${name}.key`), '--tls-cert', file(`${name}.pem`)];
    const trust = (name) => ['--tls-ca', file(`${name}.pem`)];
    const echo = { name: 'call', emitted: ['hi'], completed: true };

    const plain = await startService(...identity('server'));
    check('TLS by address', await call(plain.port, 'echo', 'hi', ...trust('ca')), echo);
    check('TLS by name', await call(plain.port, 'echo', 'hi', ...trust('ca'), '--servername', 'localhost'), echo);
    check('TLS, unrelated CA', (await call(plain.port, 'echo', 'hi', ...trust('other-ca'))).completed, false);
    check('TLS, wrong name', (await call(plain.port, 'echo', 'hi', ...trust('ca'), '--servername', 'elsewhere')).completed, false);
    plain.child.kill('SIGTERM');
    check('ends on SIGTERM', await plain.exited, [0, null]);

    const mutual = await startService(...identity('server'), ...trust('ca'));
    check('mutual TLS', await call(mutual.port, 'echo', 'hi', ...trust('ca'), ...identity('client')), echo);
    check('mutual TLS, no certificate', (await call(mutual.port, 'echo', 'hi', ...trust('ca'))).completed, false);
    check('mutual TLS, stranger', (await call(mutual.port, 'echo', 'hi', ...trust('ca'), ...identity('stranger'))).completed, false);
    mutual.child.kill('SIGTERM');
    await mutual.exited;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

checkCasesCoverVectors();
await checkCases();
await checkTls();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
