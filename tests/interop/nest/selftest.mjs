// Proves the peers before they judge ferry: client.mjs against service.mjs must give what the vectors recorded.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, promisify } from 'node:util';
import { casesOf } from './common.mjs';

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

/** What programs are told to find each other: over TCP, where the service said that it is. */
const tcp = (port) => ['--port', String(port)];
const over = (transport, url) => ['--transport', transport, '--url', url];

async function startService(...args) {
  const child = spawn(process.execPath, [join(here, 'service.mjs'), ...args], { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = [];
  const output = createInterface(child.stdout);
  const exited = once(child, 'exit');
  const [first] = await Promise.race([once(output, 'line'), exited]);
  if (!String(first).startsWith('READY ')) throw new Error('service.mjs did not start');
  output.on('line', (line) => lines.push(JSON.parse(line)));
  return { child, lines, exited, port: JSON.parse(first.slice('READY '.length)).port };
}

async function runProgram(program, address, ...args) {
  const { stdout } = await execute(process.execPath, [join(here, program), ...address, ...args], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

const call = async (address, pattern, data, ...args) => {
  const [result] = await runProgram('client.mjs', address, '--call', JSON.stringify(pattern), JSON.stringify(data), ...args);
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

/** Every case of a transport, then what needs more than a line of cases.json. Leaves the service running. */
async function checkCases(transport, { lines }, address) {
  const these = casesOf(cases, transport);
  const results = await runProgram('client.mjs', address, '--cases', join(here, 'cases.json'));
  check(`${transport}: one result a case`, results.length, these.length);
  these.forEach(({ name, expect }, index) => check(`${transport}: ${name}`, results[index], { name, ...expect }));

  const events = these.flatMap((testCase) => testCase.events ?? []);
  const counts = {};
  for (const { event } of events) counts[event] = (counts[event] ?? 0) + 1;
  check(`${transport}: stats`, (await call(address, 'stats', {})).emitted, [counts]);
  check(`${transport}: event lines`, lines, events);

  check(`${transport}: 10000 items`, (await call(address, 'bigstream', 10000)).emitted.length, 10000);
  check(`${transport}: negative data`, (await call(address, 'echo', -1)).emitted, [-1]);
  check(`${transport}: concurrent`, await runProgram('client.mjs', address, '--cases', join(here, 'cases.json'), '--concurrent', '500'), [
    { ok: 500, failed: 0 },
  ]);
  const [stall] = await runProgram('stall.mjs', address, '--requests', '8', '--bytes', '100');
  check(`${transport}: small stall run`, { ...stall, ms: 0 }, { ok: 8, failed: 0, ms: 0 });
}

async function checkTcp() {
  const service = await startService('--port', '0');
  const address = tcp(service.port);
  await checkCases('tcp', service, address);
  service.child.stdin.end();
  check('ends when stdin closes', await service.exited, [0, null]);
  check('refused', (await call(address, 'echo', 1)).error.code, 'ECONNREFUSED');
}

async function checkBroker(transport, url) {
  const address = over(transport, url);
  const service = await startService(...address, '--wildcards');
  await checkCases(transport, service, address);
  service.child.stdin.end();
  check(`${transport}: ends when stdin closes`, await service.exited, [0, null]);
  await checkInstances(transport, address);
}

/** Two services: without a queue group each gets everything, and the first answer counts. */
async function checkInstances(transport, address) {
  const group = transport === 'nats' ? ['--queue', 'q'] : [];
  const services = await Promise.all(['a', 'b'].map((name) => startService(...address, ...group, '--name', name)));
  const answers = [];
  for (let round = 0; round < 8; round++) answers.push((await call(address, 'who', {})).emitted[0]);
  const most = (who) => Math.max(0, ...answers.filter(([name]) => name === who).map(([, count]) => count));
  const runs = group.length > 0 ? answers.length : 2 * answers.length;
  const [a, b] = [most('a'), most('b')];
  check(`${transport}: runs of two services`, group.length > 0 ? a + b === runs : Math.max(a, b) === runs / 2, true);
  for (const { child, exited } of services) {
    child.kill('SIGTERM');
    await exited;
  }
}

async function withBrokers(use) {
  const directory = mkdtempSync(join(tmpdir(), 'ferry-interop-'));
  const brokers = (command) =>
    execute(join(here, '..', '..', '..', 'scripts', 'brokers'), [command, '--native', '--directory', directory]);
  try {
    await brokers('up');
    const urls = readFileSync(join(directory, 'brokers.env'), 'utf8');
    await use((name) => urls.match(new RegExp(`^${name}_URL=(.*)$`, 'm'))[1]);
  } finally {
    await brokers('down');
    rmSync(directory, { recursive: true });
  }
}

async function checkTls() {
  const directory = mkdtempSync(join(tmpdir(), 'ferry-interop-'));
  try {
    await execute('sh', [join(here, '..', 'certs.sh'), directory]);
    const file = (name) => join(directory, name);
    const identity = (name) => ['--tls-key', file(`${name}.key`), '--tls-cert', file(`${name}.pem`)];
    const trust = (name) => ['--tls-ca', file(`${name}.pem`)];
    const echo = { name: 'call', emitted: ['hi'], completed: true };

    const plain = await startService('--port', '0', ...identity('server'));
    check('TLS by address', await call(tcp(plain.port), 'echo', 'hi', ...trust('ca')), echo);
    check('TLS by name', await call(tcp(plain.port), 'echo', 'hi', ...trust('ca'), '--servername', 'localhost'), echo);
    check('TLS, unrelated CA', (await call(tcp(plain.port), 'echo', 'hi', ...trust('other-ca'))).completed, false);
    check('TLS, wrong name', (await call(tcp(plain.port), 'echo', 'hi', ...trust('ca'), '--servername', 'elsewhere')).completed, false);
    plain.child.kill('SIGTERM');
    check('ends on SIGTERM', await plain.exited, [0, null]);

    const mutual = await startService('--port', '0', ...identity('server'), ...trust('ca'));
    check('mutual TLS', await call(tcp(mutual.port), 'echo', 'hi', ...trust('ca'), ...identity('client')), echo);
    check('mutual TLS, no certificate', (await call(tcp(mutual.port), 'echo', 'hi', ...trust('ca'))).completed, false);
    check('mutual TLS, stranger', (await call(tcp(mutual.port), 'echo', 'hi', ...trust('ca'), ...identity('stranger'))).completed, false);
    mutual.child.kill('SIGTERM');
    await mutual.exited;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

checkCasesCoverVectors();
await checkTcp();
await checkTls();
await withBrokers(async (url) => {
  await checkBroker('redis', url('REDIS'));
  await checkBroker('nats', url('NATS'));
});
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
