// SPDX-License-Identifier: Apache-2.0
// node openid.mjs PORT: a certified OpenID client works with the simulator as with any provider.
import assert from 'node:assert/strict';
import { Issuer, generators } from 'openid-client';

const base = `http://127.0.0.1:${process.argv[2]}`;
const redirect = 'http://127.0.0.1:99/oauth/op/callback';
const issuer = await Issuer.discover(base);
const about = { client_id: 'client-1', redirect_uris: [redirect], response_types: ['code'],
  id_token_signed_response_alg: 'ES256' };
const client = new issuer.Client({ ...about, client_secret: 's/cret +&=%' });
const stranger = new issuer.Client({ ...about, client_secret: 'x' });

async function login() {
  const wanted = { code_verifier: generators.codeVerifier(), nonce: generators.nonce(), state: generators.state() };
  const url = client.authorizationUrl({ scope: 'openid email', nonce: wanted.nonce, state: wanted.state,
    code_challenge: generators.codeChallenge(wanted.code_verifier), code_challenge_method: 'S256' });
  const answer = await fetch(url, { redirect: 'manual' });
  assert.equal(answer.status, 302, await answer.text());
  const { code_verifier, nonce, state } = wanted;
  return { params: client.callbackParams(answer.headers.get('location')),
    checks: { code_verifier, nonce, state, response_type: 'code' } };
}

async function refused(promise, error) {
  await assert.rejects(promise, (reason) => { assert.equal(reason.error, error, reason.stack); return true; });
}

const checks = {
  async web() {
    const { params, checks } = await login();
    assert.equal(params.iss, base);
    await refused(stranger.callback(redirect, params, checks), 'invalid_client');
    const tokens = await client.callback(redirect, params, checks);
    assert.equal(tokens.claims().sub, 'u1');
    const who = await client.userinfo(tokens);
    assert.deepEqual([who.email, who.email_verified], ['ada@example.com', true]);
    await refused(client.callback(redirect, params, checks), 'invalid_grant');
    const other = await login();
    await refused(client.callback(redirect, other.params, { ...other.checks, code_verifier: generators.codeVerifier() }), 'invalid_grant');
  },

  async refresh() {
    const { params, checks } = await login();
    const first = await client.callback(redirect, params, checks);
    const second = await client.refresh(first);
    assert.equal(second.claims().sub, 'u1');
    await refused(client.userinfo(first.access_token), 'invalid_token');
    await refused(client.refresh(first.refresh_token), 'invalid_grant');
    await client.revoke(second.refresh_token, 'refresh_token');
    await refused(client.userinfo(second.access_token), 'invalid_token');
    await refused(client.refresh(second.refresh_token), 'invalid_grant');
    await refused(stranger.revoke('x'), 'invalid_client');
  },

  async device() {
    const answer = async (handle, agree) => fetch(`${base}/_device`, { method: 'POST',
      headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user_code: handle.user_code, agree }) });
    const handle = await client.deviceAuthorization({ scope: 'openid email' });
    assert.equal(handle.verification_uri_complete, `${base}/device?user_code=${handle.user_code}`);
    const done = handle.poll();  // asks at least once in vain
    await new Promise((asked) => setTimeout(asked, 1500));
    await answer(handle, 'yes');
    assert.equal((await done).claims().email, 'ada@example.com');
    await refused(handle.poll(), 'invalid_grant');
    const other = await client.deviceAuthorization({ scope: 'openid' });
    await answer(other, 'no');
    await refused(other.poll(), 'access_denied');
    await refused(stranger.deviceAuthorization({ scope: 'openid' }), 'invalid_client');
    await refused(client.deviceAuthorization({ scope: 'email' }), 'invalid_scope');
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok openid ${name}`);
}
process.exit(0);
