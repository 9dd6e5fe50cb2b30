"use strict";
// What the pages do: call the JSON API and show its answers as text. The token lives as long as the page.
(() => {
  const page = document.body.dataset.page;
  const id = location.pathname.split("/")[3] || "";
  let token = "";
  // The secret of a mail's link. It leaves the address bar, and with it the history.
  const secret = decodeURIComponent((location.hash || "").slice(1));
  if (secret) history.replaceState(null, "", location.pathname + location.search);

  const part = (name) => document.getElementById(name);
  const show = (name, isShown = true) => {
    if (part(name)) part(name).hidden = !isShown;
  };
  const put = (name, text) => {
    part(name).textContent = text || "–";
  };
  const problem = (text) => {
    part("problem").textContent = text;
    show("problem", text !== "");
  };
  // A state's name in the language of the page.
  const word = (name) => {
    const found = document.querySelector(`[data-word="${CSS.escape(name)}"]`);
    return found ? found.textContent : name;
  };
  // As the clocks of a zone show it, with zone and offset: `30 June 2027, 23:59 (Europe/Berlin, UTC+02:00)`. Without
  // a zone those of the reader.
  const time = (text, zone) => {
    if (!text) return "";
    const moment = new Date(text);
    const language = { en: "en-GB" }[document.documentElement.lang] || document.documentElement.lang;
    const timeZone = zone || new Intl.DateTimeFormat().resolvedOptions().timeZone;
    const format = (options) => new Intl.DateTimeFormat(language, { timeZone, ...options });
    const day = format({ day: "numeric", month: "long", year: "numeric" }).format(moment);
    const clock = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(moment);
    const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(moment);
    const name = parts.find((part) => part.type === "timeZoneName").value;
    const offset = name === "GMT" ? "UTC+00:00" : name.replace("GMT", "UTC");
    return `${day}, ${clock} (${timeZone === "UTC" ? "" : `${timeZone}, `}${offset})`;
  };

  class ApiError extends Error {}

  async function call(method, path, body) {
    const headers = { accept: "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    if (body) headers["content-type"] = "application/json";
    if (method === "POST") headers["idempotency-key"] = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "omit" });
    const content = await answer.json().catch(() => ({}));
    if (answer.ok) return content;
    const violations = (content.details || []).flatMap((detail) => detail.fieldViolations || []);
    const reasons = violations.map((one) => `${one.field}: ${one.description}`);
    const error = new ApiError([content.message || answer.statusText, ...reasons].join(" "));
    error.status = answer.status;
    error.reason = ((content.details || []).find((detail) => detail.reason) || {}).reason;
    throw error;
  }

  async function attempt(work) {
    problem("");
    try {
      await work();
    } catch (error) {
      problem(error instanceof ApiError ? error.message : word("UNREACHABLE"));
    }
  }

  function onSubmit(name, work) {
    const form = part(name);
    if (!form) return;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(() => work(Object.fromEntries(new FormData(form))));
    });
    form.hidden = false;
  }

  function onPress(name, work) {
    if (part(name)) part(name).addEventListener("click", () => attempt(work));
  }

  async function showInbox() {
    const inbox = await call("GET", "/api/v1/notifications?pageSize=20");
    const items = inbox.data.map((one) => {
      const item = document.createElement("li");
      item.textContent = `${one.title} – ${one.body}`;
      return item;
    });
    part("inbox").replaceChildren(...items);
    show("nothing", items.length === 0);
  }

  async function showApplication() {
    const found = await call("GET", `/api/v1/applications/${encodeURIComponent(id)}`);
    const state = found.status && found.status !== "STUDENT_STATUS_UNSPECIFIED" ? found.status : found.state;
    put("title", found.internshipTitle);
    put("company", found.companyName);
    put("status", word(state.replace(/^(STUDENT_STATUS|APPLICATION_STATE)_/, "")));
    put("answer-by", time(found.offerExpireTime));
    show("offer", found.status === "STUDENT_STATUS_OFFER");
  }

  async function showInternship() {
    const found = await call("GET", `/api/v1/internships/${encodeURIComponent(id)}`);
    put("title", found.title);
    put("company", (found.company || {}).name);
    put("status", word(found.state.replace("INTERNSHIP_STATE_", "")));
    put("deadline", time(found.applyDeadline, found.applyDeadlineZone));
    put("description", found.description);
    show("found");
  }

  async function showCompany() {
    const found = await call("GET", `/api/v1/companies/${encodeURIComponent(id)}`);
    put("title", found.name);
    put("status", word(found.state.replace("COMPANY_STATE_", "")));
    put("website", found.url);
    put("about", found.about);
    show("found");
  }

  async function showInvitation() {
    const found = await call("POST", "/api/v1/invitations:lookup", { invitationToken: secret });
    put("title", found.companyName);
    put("company-state", word(found.companyState.replace("COMPANY_STATE_", "")));
    put("inviter", found.inviterName);
    put("role", word(found.role.replace("COMPANY_ROLE_", "")));
    put("email", found.email);
    put("status", word(found.state.replace("INVITATION_STATE_", "")));
    put("expiry", time(found.expireTime));
    show("found");
    show("open", found.state === "INVITATION_STATE_SENT");
  }

  async function answerInvitation(verb) {
    await call("POST", `/api/v1/invitations:${verb}`, { invitationToken: secret });
    await showInvitation();
    show(verb === "accept" ? "accepted" : "declined");
  }

  async function showSessions() {
    const found = await call("GET", "/api/v1/auth/sessions");
    const items = found.data.map((one) => {
      const item = document.createElement("li");
      const mark = one.current ? ` (${word("CURRENT")})` : "";
      item.textContent = `${[one.device, one.area, time(one.lastSeenTime)].filter(Boolean).join(" – ")}${mark} `;
      if (!one.current) {
        const end = document.createElement("button");
        end.type = "button";
        end.textContent = word("END");
        end.addEventListener("click", () => attempt(async () => {
          await call("DELETE", `/api/v1/auth/sessions/${encodeURIComponent(one.id)}`);
          await showSessions();
        }));
        item.append(end);
      }
      return item;
    });
    part("session-list").replaceChildren(...items);
    show("nothing", items.length === 1);
  }

  async function showDeletion() {
    try {
      put("erase-time", time((await call("GET", "/api/v1/auth/account/deletion")).eraseTime));
    } catch (error) {
      if (error.reason !== "NO_ACCOUNT_DELETION") throw error;
      show("nothing");
      return false;
    }
    return true;
  }

  // Signing in with another provider: its answer comes in the address, from which it is removed, and is good only
  // with the ticket, which has never left this tab.
  const fromProvider = page === "provider" ? new URLSearchParams(location.search) : new URLSearchParams();

  async function showProviders() {
    const found = await call("GET", "/api/v1/auth/providers");
    const items = found.data.map((one) => {
      const item = document.createElement("li");
      const choose = document.createElement("button");
      choose.type = "button";
      choose.textContent = one.name;
      choose.addEventListener("click", () => attempt(() => beginWith(one.id)));
      item.append(choose);
      return item;
    });
    part("providers").replaceChildren(...items);
    show("nothing", items.length === 0);
  }

  async function beginWith(provider) {
    const begun = await call("POST", `/api/v1/auth/providers/${encodeURIComponent(provider)}:begin`, {});
    sessionStorage.setItem("ticket", begun.ticket);
    location.assign(begun.authorizationUrl);
  }

  async function completeSignIn(fields) {
    const ticket = sessionStorage.getItem("ticket") || "";
    const given = { ticket, state: fromProvider.get("state") || "", code: fromProvider.get("code") || "" };
    try {
      const answer = await call("POST", "/api/v1/auth/providers:complete", { ...given, ...fields });
      token = answer.data.tokens.accessToken;
    } catch (error) {
      show("second-factor", ["SECOND_FACTOR_REQUIRED", "INVALID_SECOND_FACTOR"].includes(error.reason));
      throw error;
    }
    sessionStorage.removeItem("ticket");
    show("second-factor", false);
    await showInbox();
    show("found");
  }

  const views = {
    login: showInbox, sessions: showSessions, application: showApplication, internship: showInternship,
    company: showCompany, "account-deletion": showDeletion,
    invitation: () => answerInvitation("accept"),
  };

  async function showView() {
    const isFound = (await views[page]()) !== false;
    show("sign-in", false);
    show("found", isFound);
  }

  onSubmit("sign-in", async (fields) => {
    const answer = await call("POST", "/api/v1/auth/login", fields);
    token = answer.data.tokens.accessToken;
    await showView();
  });
  onSubmit("second-factor", completeSignIn);
  onSubmit("verify", async (fields) => {
    await call("POST", "/api/v1/auth/verify-email", { email: fields.email, code: fields.code.replace(/\s/g, "") });
    show("verify", false);
    show("verified");
  });
  onSubmit("register", async (fields) => {
    const email = part("email").textContent;
    const account = { ...fields, email, kind: "ACCOUNT_KIND_COMPANY", byInvitation: true };
    await call("POST", "/api/v1/auth/register", account);
    show("registered");
  });
  onPress("decline-invitation", () => answerInvitation("decline"));
  onSubmit("request-reset", async (fields) => {
    await call("POST", "/api/v1/auth/request-password-reset", fields);
    part("reset").elements.email.value = fields.email;
    show("sent");
  });
  onSubmit("reset", async (fields) => {
    await call("POST", "/api/v1/auth/reset-password", { ...fields, code: fields.code.replace(/\s/g, "") });
    show("reset", false);
    show("request-reset", false);
    show("done");
  });
  onSubmit("confirm-email", async (fields) => {
    const answer = await call("POST", "/api/v1/auth/login", { email: fields.email, password: fields.password });
    token = answer.data.tokens.accessToken;
    await call("POST", "/api/v1/auth/confirm-email-change", { code: fields.code.replace(/\s/g, "") });
    show("confirm-email", false);
    show("done");
  });
  onPress("keep-account", async () => {
    await call("POST", "/api/v1/auth/account/deletion:cancel", {});
    show("found", false);
    show("kept");
  });
  onPress("end-others", async () => {
    await call("POST", "/api/v1/auth/sessions:endOthers", {});
    await showSessions();
  });
  for (const verb of ["accept", "decline"]) {
    onPress(verb, async () => {
      await call("POST", `/api/v1/applications/${encodeURIComponent(id)}:${verb}`, {});
      await showApplication();
    });
  }
  // A listing that is public needs no sign-in; another one is looked for again after it.
  if (page === "internship" || page === "company") showView().catch(() => show("private"));
  if (page === "invitation") showInvitation().catch(() => show("private"));
  if (page === "provider") {
    show("second-factor", false);
    history.replaceState(null, "", location.pathname);
    if (fromProvider.has("code")) attempt(() => completeSignIn({}));
    else attempt(showProviders);
    if (fromProvider.has("error")) problem(word("REFUSED"));
  }
})();
