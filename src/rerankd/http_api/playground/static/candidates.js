/** Any number of candidates for the stream, the same ones each time, with a few that answer the query. */

/** Each topic: a query, and documents that answer it, which are strewn among the others. */
export const TOPICS = [
  {
    query: "how do I reset a forgotten password",
    planted: [
      "Forgot your password? Choose Reset password on the sign-in page and follow the link that we mail you.",
      "To reset a forgotten password, enter your mail address and open the link in the message.",
      "You can set a new password without the old one by the code that we send to your phone.",
      "If you no longer know your password, an administrator can send you a link to reset it.",
      "The link to reset your password is valid for an hour; ask for another one after that.",
      "Reset the password of your account under Sign in, I forgot my password.",
      "Users who forgot their password reset it themselves by answering two security questions.",
      "Password forgotten: how to recover your account and choose a new password, step by step.",
      "Locked out? Reset your password by mail, then sign in again on each of your devices.",
      "How to reset the password when you have also lost access to your mail account.",
    ],
  },
  {
    query: "what is a safe temperature to keep a fridge at",
    planted: [
      "Keep the fridge at four degrees Celsius or a little below, so that food stays safe.",
      "A refrigerator is safe at a temperature between one and five degrees.",
      "Food spoils quickly in a fridge that is warmer than five degrees; set it to four.",
      "Put a thermometer on the middle shelf: the fridge should show three to five degrees.",
      "The right fridge temperature is four degrees, that of the freezer minus eighteen.",
      "Doctors advise to keep refrigerators at or below five degrees to slow down bacteria.",
      "Set the dial of the fridge so that the temperature inside stays under five degrees Celsius.",
      "How cold should a fridge be? Safe is a temperature of four degrees.",
      "In summer turn the fridge colder: its temperature must not rise above five degrees.",
      "Milk keeps longest when the temperature of the fridge is two to four degrees.",
    ],
  },
];

const WHO = [
  "The caretaker", "A neighbour", "The bakery", "Our team in Oslo", "The museum", "A student", "The ferry company",
  "The town council", "An engineer", "The library", "The orchestra", "A farmer", "The night train", "The choir",
  "The weather service", "A journalist", "The gym", "The post office", "A carpenter", "The botanical garden",
];
const DID = [
  "replaced the lamps of", "wrote a long report about", "opened a new branch near", "measured the noise of",
  "painted a picture of", "closed the road to", "counted the visitors of", "planted forty trees beside",
  "published the timetable of", "repaired the roof of", "took photographs of", "moved the archive of",
  "complained about the price of", "organised a concert at", "ordered chairs for", "cancelled the tour of",
];
const WHAT = [
  "the old harbour", "the tram depot", "a school in the hills", "the market hall", "the lighthouse", "a bicycle shop",
  "the town hall", "the swimming pool", "the brick factory", "a vineyard", "the railway bridge", "the concert hall",
  "the observatory", "a fish market", "the football ground", "the water tower", "the community centre",
];
const WHEN = [
  "last spring", "on a rainy Monday", "before the holidays", "two years ago", "in the early morning", "after the storm",
  "for the third time", "within a week", "late in November", "at short notice", "during the festival", "in June",
];
const SEED = 20_261_129;

/** Numbers from 0 to 1 that look random and are the same for each seed (mulberry32). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * The candidates.
 *
 * @param topic one of `TOPICS`.
 * @param count how many, at least as many as the topic plants.
 * @returns `{texts, planted}`; the latter are the indexes of those that answer the query.
 */
export function candidates(topic, count) {
  const next = numbers(SEED);
  const one = (words) => words[Math.floor(next() * words.length)];
  const texts = Array.from(
    { length: count },
    (_, index) => `${one(WHO)} ${one(DID)} ${one(WHAT)} ${one(WHEN)}. Note ${index + 1}.`,
  );
  const planted = new Set();
  for (const text of topic.planted) {
    let place = Math.floor(next() * count);
    while (planted.has(place)) place = (place + 1) % count;
    planted.add(place);
    texts[place] = text;
  }
  return { texts, planted };
}

/** The body of a stream: its start, then a document in each line. */
export function streamBody(start, texts) {
  return [start, ...texts.map((text) => ({ text }))].map((line) => JSON.stringify(line)).join("\n") + "\n";
}
