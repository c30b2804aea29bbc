// SPDX-License-Identifier: Apache-2.0
// node provider.mjs DAEMON PLUGIN FOLDER: the plugin logs somebody in with a certified OpenID provider.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import Provider from 'oidc-provider';

const [daemon, plugin, folder] = process.argv.slice(2);
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
const site = `http://127.0.0.1:${await freePort()}`;
const opPort = await freePort();
const issuer = `http://127.0.0.1:${opPort}`;
const secret = 'a secret: with/strange+signs & more than 32';

const op = new Provider(issuer, {
  clients: [{ client_id: 'cofounder', client_secret: secret, redirect_uris: [`${site}/oauth/op/callback`],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], response_types: ['code'], application_type: 'native' }],
  features: { revocation: { enabled: true }, deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access', 'email', 'profile'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  findAccount: (_, id) => ({ accountId: id,
    claims: () => ({ sub: id, email: 'ada@example.com', email_verified: true, name: 'Ada' }) }),
  ttl: { AccessToken: 2 },
});
const server = http.createServer(op.callback()).listen(opPort, '127.0.0.1');

// As fetch(), which cannot tell cookies apart on Debian's node 18.
function ask(url, { method = 'GET', headers = {}, body = '' } = {}) {
  const sent = String(body);
  const type = sent && { 'content-type': 'application/x-www-form-urlencoded' };
  return new Promise((answered, failed) => {
    const request = http.request(url, { method, headers: { ...headers, ...type, 'content-length': Buffer.byteLength(sent) } },
      async (response) => {
        let text = '';
        for await (const piece of response) text += piece;
        answered({ status: response.statusCode, cookies: response.headers['set-cookie'] ?? [],
          headers: new Headers({ ...(response.headers.location && { location: response.headers.location }) }),
          text: async () => text, json: async () => JSON.parse(text) });
      });
    request.on('error', failed);
    request.end(sent);
  });
}

class Browser {
  jar = new Map();
  async go(url, options = {}) {
    const origin = new URL(url).origin;
    const jar = this.jar.get(origin) ?? new Map();
    this.jar.set(origin, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await ask(url, { ...options, headers: { ...options.headers, ...(cookie && { cookie }) } });
    for (const line of answer.cookies) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      jar.set(name, value);
    }
    return answer;
  }
  // Follows redirects and fills in the provider's pages, until it is at `end` or a page asks nothing more.
  async follow(url, end) {
    for (let step = 0; step < 30; ++step) {
      let answer = await this.go(url);
      while (!answer.headers.get('location')) {
        const page = await answer.text();
        const form = /<form[^>]*action="([^"]+)"/.exec(page);
        if (!form) return { answer, page };
        const fields = Object.fromEntries([...page.matchAll(/<input[^>]*name="(\w+)"[^>]*value="([^"]*)"/g)].map((m) => m.slice(1)));
        if (fields.prompt === 'login') Object.assign(fields, { login: 'ada', password: 'x' });
        url = new URL(form[1], url).href;
        answer = await this.go(url, { method: 'POST', body: new URLSearchParams(fields) });
      }
      url = new URL(answer.headers.get('location'), url).href;
      if (url === end) return { answer: await this.go(url) };
    }
    return assert.fail('too many redirects');
  }
}

rmSync(folder, { recursive: true, force: true });
for (const part of ['', 'state', 'scratch', 'plugins', 'conf.d']) mkdirSync(`${folder}/${part}`, { recursive: true });
copyFileSync(plugin, `${folder}/plugins/oauth.so`);
writeFileSync(`${folder}/c.toml`, `allow_plain_secrets = true
[paths]\nstate = "${folder}/state"\nscratch = "${folder}/scratch"
[control]\nsocket = "${folder}/s"\ngroup = ""
[plugins]\ndirectories = ["${folder}/plugins"]\nisolation = "in-process"
[log]\ntarget = "stderr"
[http]\nlisten = ["${site.slice(7)}"]\npublic_url = "${site}"
[plugin.oauth.op]\nkind = "oidc"\nissuer = "${issuer}"\nclient_id = "cofounder"
client_secret = "${secret}"\nscopes = ["openid", "email", "profile", "offline_access"]\n`);
const child = spawn(daemon, ['--config', `${folder}/c.toml`], { stdio: 'inherit' });
try {
  for (let tries = 0; ; ++tries) {
    const answer = await fetch(`${site}/oauth/providers`).catch(() => undefined);
    if (answer?.status === 200) break;
    assert.ok(tries < 100, 'the daemon did not start');
    await new Promise((again) => setTimeout(again, 100));
  }
  const browser = new Browser();
  const { answer: me } = await browser.follow(`${site}/oauth/op/login?return_to=/oauth/me`, `${site}/oauth/me`);
  const who = await me.json();
  assert.equal(me.status, 200, JSON.stringify(who));
  assert.equal(who.subject, 'op:ada');
  assert.equal(who.email, 'ada@example.com');
  console.log('ok login');
  await new Promise((over) => setTimeout(over, 2500));
  assert.equal((await browser.go(`${site}/oauth/me`)).status, 200);
  console.log('ok refresh');
  const out = await (await browser.go(`${site}/oauth/logout`, { method: 'POST' })).json();
  assert.deepEqual(out, { logged_out: true, revoked_at_provider: true });
  assert.equal((await browser.go(`${site}/oauth/me`)).status, 401);
  console.log('ok logout');

  const device = (body) => ask(`${site}/oauth/op/device`, { method: 'POST', body });
  const begun = await (await device()).json();
  assert.match(begun.user_code, /^[A-Z-]+$/, JSON.stringify(begun));
  const poll = async () => {
    await new Promise((over) => setTimeout(over, begun.interval * 1000 + 100));
    return device(JSON.stringify({ device_code: begun.device_code }));
  };
  assert.equal((await poll()).status, 202);
  const { page } = await new Browser().follow(begun.verification_uri_complete);
  assert.match(page, /Success/i);
  const done = await poll();
  const given = await done.json();
  assert.equal(done.status, 200, JSON.stringify(given));
  assert.equal(given.user.subject, 'op:ada');
  const headers = { authorization: `Bearer ${given.token}` };
  assert.equal((await ask(`${site}/oauth/me`, { headers })).status, 200);
  console.log('ok device');
} finally {
  child.kill();
  server.close();
}
process.exit(0);
