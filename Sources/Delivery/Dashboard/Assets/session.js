// Who is signed in. The token stays in this tab's sessionStorage: it ends with the tab, and no other page gets it.

const key = "waybill.session";

/** `{ token, expiresAt?, tenant?, user?, roles? }`, or null. */
export function current() {
  try {
    const session = JSON.parse(sessionStorage.getItem(key));
    return session?.token ? session : null;
  } catch {
    return null;
  }
}

export function keep(session) {
  sessionStorage.setItem(key, JSON.stringify(session));
}

export function forget() {
  sessionStorage.removeItem(key);
}

/** What a token says of itself, for the eye only: the server is what checks it. */
export function fromToken(token) {
  try {
    const middle = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(middle), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return { token, user: claims.sub, tenant: claims.tenant, roles: claims.roles };
  } catch {
    return { token };
  }
}
