"use strict";
// Functions of the scenarios in artillery-config.yml.
//
// Variables of the environment:
//   LOAD_PASSWORD       of the seeded students; needed by the scenario `apply`
//   LOAD_STUDENTS       how many of them this process signs in as (default 10)
//   LOAD_FIRST_STUDENT  the number of the first of them (default 1)
//   LOAD_LISTINGS       IDs of the listings to apply to, with commas; default: open ones of the first page
//   LOAD_ADDRESSES      `made-up`: each session sends an address of its own (a local gateway believes it)
//
// In an indexed Job of Kubernetes each pod has students of its own, by JOB_COMPLETION_INDEX. The pairs of
// student and listing are counted in the process, so Artillery runs with WORKERS=1.

const crypto = require("node:crypto");

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const EMAIL_DOMAIN = "seed.example.com";
const MIN_MISSPELT_LETTERS = 6;
const MAX_QUERY_WORDS = 3;
const MAX_TRIES = 10;

let sessions = 0;

/** Return this number of random lower-case letters and digits. */
function $randomString(length = 10) {
  return Array.from({ length }, () => ALPHABET[$randomInt(0, ALPHABET.length - 1)]).join("");
}

/** Return an address of a domain that nobody has. */
function $randomEmail() {
  return `${$randomString(12)}@load.example.com`;
}

/** Return a random whole number, both ends included. */
function $randomInt(min, max) {
  return crypto.randomInt(min, max + 1);
}

/** Remember the open listings of a page: their IDs, and their titles as something to search for. */
function rememberListings(request, response, context, events, done) {
  const page = response.statusCode === 200 ? JSON.parse(response.body) : {};
  const listings = page.data || [];
  context.vars.listingsAnswer = `${request.url} shows no open listings (HTTP ${response.statusCode})`;
  context.vars.openListings = listings.map((listing) => listing.id);
  context.vars.titles = listings.map((listing) => listing.title);
  return done();
}

/** Ask once more while there are no listings, but not for ever. */
function lacksListings(context, next) {
  context.vars.listingTries = (context.vars.listingTries || 0) + 1;
  return next(context.vars.openListings.length === 0 && context.vars.listingTries < MAX_TRIES);
}

/** End the run when there are no listings. */
function requireListings(context, events, done) {
  return done(context.vars.openListings.length === 0 ? new Error(context.vars.listingsAnswer) : undefined);
}

/** Make the functions of this file callable from templates, and give the session an address and a key. */
function startSession(context, events, done) {
  Object.assign(context.funcs, { $randomString, $randomEmail, $randomInt });
  context.vars.address = makeAddress();
  context.vars.idempotencyKey = crypto.randomUUID();
  return done();
}

/** Send the session's own address, where that is wanted. */
function sendAddress(request, context, events, done) {
  if (process.env.LOAD_ADDRESSES === "made-up") {
    request.headers = { ...request.headers, "x-forwarded-for": context.vars.address ?? makeAddress() };
  }
  return done();
}

/** Choose one of the open listings to read. */
function chooseListing(context, events, done) {
  context.vars.listingId = pick(context.vars.openListings);
  return done();
}

/** Choose what to search for: the first words of a title, misspelt every other time. */
function chooseQuery(context, events, done) {
  const words = pick(context.vars.titles).split(/\s+/).slice(0, MAX_QUERY_WORDS).join(" ");
  context.vars.query = $randomInt(0, 1) ? misspell(words) : words;
  context.vars.typed = Array.from(words).slice(0, 4).join("");
  return done();
}

/** Choose the student who applies, and the listing; no other session under way has this pair. */
function chooseApplicant(context, events, done) {
  const password = process.env.LOAD_PASSWORD;
  if (!password) {
    return done(new Error("LOAD_PASSWORD is not set: it is the password of the seeded students"));
  }
  const students = Number(process.env.LOAD_STUDENTS || 10);
  const pod = Number(process.env.JOB_COMPLETION_INDEX || 0);
  const first = Number(process.env.LOAD_FIRST_STUDENT || 1) + pod * students;
  const listings = (process.env.LOAD_LISTINGS || "").split(",").filter(Boolean);
  const applyTo = listings.length > 0 ? listings : context.vars.openListings;
  const session = sessions++;
  context.vars.email = `student-${first + (session % students)}@${EMAIL_DOMAIN}`;
  context.vars.password = password;
  context.vars.listingId = applyTo[Math.floor(session / students) % applyTo.length];
  return done();
}

/** Answer each question that the listing asks. */
function answerQuestions(request, response, context, events, done) {
  const questions = response.statusCode === 200 ? JSON.parse(response.body).questions || [] : [];
  context.vars.answers = questions.map((question) => {
    const questionId = question.id;
    if (question.choices && question.choices.length > 0) {
      return { questionId, choices: [pick(question.choices)] };
    }
    const text = question.kind === "QUESTION_KIND_YES_NO" ? "yes" : `It is a good question (${$randomString()}).`;
    return { questionId, text };
  });
  return done();
}

/** Return an address of a network that is reserved for load tests. */
function makeAddress() {
  return `198.${$randomInt(18, 19)}.${$randomInt(0, 255)}.${$randomInt(1, 254)}`;
}

function pick(values) {
  return values[$randomInt(0, values.length - 1)];
}

/** Swap two letters of the first long word. */
function misspell(words) {
  const all = words.split(" ").map((word) => Array.from(word));
  const long = all.find((word) => word.length >= MIN_MISSPELT_LETTERS);
  if (long) {
    [long[2], long[3]] = [long[3], long[2]];
  }
  return all.map((word) => word.join("")).join(" ");
}

module.exports = {
  $randomEmail,
  $randomInt,
  $randomString,
  answerQuestions,
  chooseApplicant,
  chooseListing,
  chooseQuery,
  lacksListings,
  rememberListings,
  requireListings,
  sendAddress,
  startSession,
};
