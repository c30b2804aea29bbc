// SPDX-License-Identifier: Apache-2.0
// node github.mjs PORT: GitHub's official client works with the simulator as with GitHub.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import * as oauth from '@octokit/oauth-methods';
import { request as plain } from '@octokit/request';

const base = `http://127.0.0.1:${process.argv[2]}`;
const request = plain.defaults({ baseUrl: `${base}/api/v3`, headers: { 'user-agent': 'check' } });
const clientId = 'Iv1.0123456789abcdef';
const clientSecret = 'github-secret';
const redirectUrl = 'http://127.0.0.1:99/oauth/github/callback';
const app = { clientType: 'oauth-app', clientId, clientSecret, request };

async function code() {
  const { url } = oauth.getWebFlowAuthorizationUrl({ ...app, redirectUrl, state: 's', scopes: ['read:user', 'user:email'] });
  const answer = await fetch(url, { redirect: 'manual' });
  assert.equal(answer.status, 302, await answer.text());
  return new URL(answer.headers.get('location')).searchParams.get('code');
}

async function refused(promise, message) {
  await assert.rejects(promise, (error) => { assert.match(error.message, message); return true; });
}

const checks = {
  async web() {
    const used = await code();
    const { authentication } = await oauth.exchangeWebFlowCode({ ...app, code: used, redirectUrl });
    assert.match(authentication.token, /^gho_/);
    const asUser = request.defaults({ headers: { authorization: `token ${authentication.token}` } });
    assert.equal((await asUser('GET /user')).data.id, 583231);
    assert.ok((await asUser('GET /user/emails')).data.some((one) => one.primary && one.verified));
    await refused(oauth.exchangeWebFlowCode({ ...app, code: used, redirectUrl }), /incorrect or expired/);
    await refused(oauth.exchangeWebFlowCode({ ...app, clientSecret: 'x', code: await code() }), /client_secret/);
    assert.equal((await oauth.checkToken({ ...app, token: authentication.token })).data.user.login, 'octocat');
    const reset = await oauth.resetToken({ ...app, token: authentication.token });
    await refused(oauth.checkToken({ ...app, token: authentication.token }), /Not Found/);
    assert.equal((await oauth.deleteToken({ ...app, token: reset.authentication.token })).status, 204);
    await refused(oauth.checkToken({ ...app, token: reset.authentication.token }), /Not Found/);
  },

  async pkce() {
    const verifier = randomBytes(32).toString('base64url');
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const answer = await fetch(`${base}/login/oauth/authorize?client_id=${clientId}&code_challenge=${challenge}` +
      `&code_challenge_method=S256&redirect_uri=${encodeURIComponent(redirectUrl)}`, { redirect: 'manual' });
    const bound = new URL(answer.headers.get('location')).searchParams.get('code');
    await refused(oauth.exchangeWebFlowCode({ ...app, code: bound, redirectUrl }), /incorrect or expired/);
  },

  async device() {
    const { data } = await oauth.createDeviceCode({ clientType: 'oauth-app', clientId, request, scopes: ['read:user'] });
    const exchange = () => oauth.exchangeDeviceCode({ clientType: 'oauth-app', clientId, request, code: data.device_code });
    await refused(exchange(), /pending/);
    await fetch(`${base}/_device`, { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user_code: data.user_code }) });
    assert.match((await exchange()).authentication.token, /^gho_/);
    await refused(exchange(), /not valid/);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok ${name}`);
}
process.exit(0);
