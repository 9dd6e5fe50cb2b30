// A short journey with the client that openapi-typescript and openapi-fetch make of the document.

import createClient from "openapi-fetch";
import { components, paths } from "./schema.js";

const { GATEWAY, MAILBOX, EMAIL, PASSWORD, INTERNSHIP, MARKER, FIELD } = process.env as Record<string, string>;

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) {
    throw new Error(`no ${what}`);
  }
  return value;
}

async function eventually<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  for (let pause = 50; pause < 10_000; pause *= 1.5) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
    await new Promise((done) => setTimeout(done, pause));
  }
  throw new Error(`waited in vain for ${what}`);
}

async function mailedCode(): Promise<string | undefined> {
  const listed = await (await fetch(`${MAILBOX}/mails?to=${encodeURIComponent(EMAIL)}`)).json();
  for (const mail of listed.mails) {
    const { text } = await (await fetch(`${MAILBOX}/mails/${mail.id}`)).json();
    const code = /\b(\d{8})\b/.exec(text);
    if (code) {
      return code[1];
    }
  }
  return undefined;
}

const visitor = createClient<paths>({ baseUrl: GATEWAY });
await visitor.POST("/api/v1/auth/register", {
  body: { email: EMAIL, password: PASSWORD, kind: "ACCOUNT_KIND_STUDENT", name: "Tess Type" },
});
const code = await eventually(mailedCode, "the code");
const verified = await visitor.POST("/api/v1/auth/verify-email", { body: { email: EMAIL, code } });
need(verified.data?.data, "session of verifying");
const login = await visitor.POST("/api/v1/auth/login", { body: { email: EMAIL, password: PASSWORD } });
const session = need(login.data?.data, "session of signing in");
const token = need(session.tokens, "tokens").accessToken;
const student = createClient<paths>({ baseUrl: GATEWAY, headers: { authorization: `Bearer ${token}` } });

const hit = await eventually(async () => {
  const query = { q: MARKER, field: FIELD, skills: ["Python", "MongoDB"] };
  const found = await student.GET("/api/v1/internships", { params: { query } });
  return found.data?.data.find((each) => each.id === INTERNSHIP);
}, "the listing in the results");
const path = { internshipId: hit.id };
const listing = need((await student.GET("/api/v1/internships/{internshipId}", { params: { path } })).data, "listing");

const mine = await eventually(async () => {
  const applied = await student.POST("/api/v1/applications", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { internshipId: listing.id, answers: [{ questionId: "start", text: "In June" }] },
  });
  return applied.data;
}, "the application");
const application = need(
  (await student.GET("/api/v1/applications/{applicationId}", { params: { path: { applicationId: mine.id } } })).data,
  "application",
);

type Detail = components["schemas"]["ErrorDetail"];
const wrong = await student.GET("/api/v1/internships", { params: { query: { pageSize: 99 } } });
const details: Detail[] = need(wrong.error, "error").details;
const violation = need(details.flatMap((detail) => detail.fieldViolations ?? [])[0], "violation");
const again = await student.POST("/api/v1/applications/{applicationId}:accept", {
  params: { path: { applicationId: application.id } },
  body: {},
});

console.log(
  JSON.stringify({
    title: listing.title,
    status: application.status,
    reason: details[0]?.reason,
    violation: [violation.field, violation.description],
    moves: again.error?.details.flatMap((detail) => detail.moves ?? []),
  }),
);
