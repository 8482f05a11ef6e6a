/** Samples to begin with, written for this page. */

const lines = (...texts) => texts.join("\n");
const records = (...objects) => objects.map((object) => JSON.stringify(object)).join("\n");

/** Each sample: its name, the query, the documents as they would be typed, and options that suit it. */
export const SAMPLES = [
  {
    id: "general",
    name: "General",
    query: "why is the sky red at sunset",
    documents: lines(
      "Sunset Boulevard runs for thirty-five kilometres through the west of the city.",
      "Red paint fades fastest on walls that face the midday sun.",
      "The planet's sky looks butterscotch by day because of the dust that hangs in its thin air.",
      "Near sunset, light crosses so much air that blue is scattered away and mostly red reaches the eye.",
      "Sailors used to read the evening sky to guess the weather of the next day.",
      "Clouds near the horizon glow orange and red in the evening because only long wavelengths get that far.",
      "The sunset clause ends the law after five years unless it is renewed.",
      "By day the sky is blue, as air molecules scatter short wavelengths more than long ones.",
      "Street lamps switch on twenty minutes after the sun has gone down.",
      "Smoke of distant fires can turn the evening sun deep red.",
    ),
  },
  {
    id: "support",
    name: "Support",
    query: "I was charged twice for the same order, how do I get my money back",
    documents: records(
      { id: "faq-12", text: "To change the card that we charge, open Billing, choose Payment methods and add the new card." },
      { id: "faq-31", text: "Orders can be cancelled without cost until they leave our warehouse." },
      { id: "faq-08", text: "If the same payment appears twice on your statement, one of them is usually a reservation that your bank drops within five days." },
      { id: "faq-44", text: "Gift cards cannot be exchanged for money and are valid for three years." },
      { id: "faq-19", text: "A refund for a duplicate charge is started under Orders, Report a problem, Charged twice; the money is back in three to seven working days." },
      { id: "faq-02", text: "We ship to forty countries; delivery takes two to nine working days." },
      { id: "faq-27", text: "Refunds for returned goods are paid to the card that the order was paid with." },
      { id: "faq-35", text: "You can order the same item twice by raising the number in your basket." },
      { id: "faq-50", text: "Your invoice lists every charge of the month and can be downloaded as a PDF." },
    ),
  },
  {
    id: "ops",
    name: "Ops logs",
    query: "why did checkout requests time out after the deploy",
    documents: lines(
      "09:58:02 INFO  deploy  checkout-api 2.14.0 rolled out to 6 of 6 replicas",
      "10:01:17 WARN  checkout-api  connection pool exhausted: 20 of 20 in use, 143 requests waiting",
      "10:01:19 ERROR gateway  POST /checkout upstream timed out after 5000 ms (checkout-api)",
      "10:01:20 INFO  search-indexer  segment merge finished in 812 ms",
      "10:02:44 WARN  node-7  disk usage of /var/log at 81 %",
      "10:03:05 INFO  config  checkout-api: db.pool.max changed from 100 to 20 by release 2.14.0",
      "10:03:30 INFO  auth  rotated signing key, the previous one stays valid for 24 h",
      "10:04:11 ERROR checkout-api  could not take a database connection within 5 s, giving up",
      "10:05:52 INFO  mailer  sent 1,204 newsletters",
      "10:07:40 INFO  autoscaler  gateway scaled from 4 to 6 replicas",
      "[warn] tls: certificate of legacy.example.com expires in 12 days",
    ),
  },
  {
    id: "shop",
    name: "Shop search",
    query: "waterproof jacket for hiking in cold weather",
    documents: records(
      { id: "A-310", fields: { product: "Canvas backpack, 20 litres", summary: "Water-repellent cotton, leather straps, laptop sleeve." } },
      { id: "A-127", fields: { product: "City raincoat", summary: "Light waterproof coat for the way to work; not lined." } },
      { id: "B-204", fields: { product: "Down vest", summary: "Very warm under a shell, must not get wet." } },
      { id: "B-881", fields: { product: "Alpine shell with warm lining", summary: "Three-layer waterproof hiking jacket, taped seams, lined with fleece for winter tours." } },
      { id: "C-015", fields: { product: "Hiking boots", summary: "Ankle high, with a sole that grips in mud and on wet rock." } },
      { id: "C-077", fields: { product: "Trail running jacket", summary: "Wind-proof, packs into its own pocket, for mild weather." } },
      { id: "D-402", fields: { product: "Insulated winter parka", summary: "Waterproof and wind-proof, hood, warm down to minus twenty degrees." } },
      { id: "D-519", fields: { product: "Garden rain jacket for children", summary: "Yellow, waterproof, with reflective dots." } },
      { id: "E-063", fields: { product: "Wool hiking socks", summary: "Keep feet warm and dry, pack of three." } },
    ),
  },
  {
    id: "long",
    name: "Long documents",
    query: "how long may a battery be stored before it must be charged again",
    options: { longDocument: "LONG_DOCUMENT_BEST_PASSAGE", maxTokens: 48 },
    documents: records(
      {
        id: "manual",
        text:
          "Thank you for choosing this bicycle. Read this handbook before the first ride and keep it. " +
          "The frame is made of an aluminium alloy and carries up to 120 kilograms, luggage included. " +
          "Tighten the bolts of the handlebar after the first fifty kilometres, with six newton metres. " +
          "Wash the bicycle with a soft brush and little water, never with a high-pressure cleaner. " +
          "A battery that is not used may lie for three months at most before it has to be charged again; " +
          "store it half full, dry, and between ten and twenty degrees. " +
          "The brakes need new pads when less than one millimetre of the lining is left. " +
          "Oil the chain every three hundred kilometres and after each ride in the rain. " +
          "The guarantee covers the frame for ten years and electric parts for two.",
      },
      {
        id: "warranty",
        text:
          "The guarantee begins on the day of the purchase. It covers faults of material and of manufacture. " +
          "Wear of tyres, pads and chains is not covered, and neither are damages by accidents. " +
          "Batteries are covered for two years or five hundred charging cycles, whichever comes first. " +
          "Send the bill and photographs of the fault to the dealer who sold you the bicycle. " +
          "Repairs by others than an authorised workshop end the guarantee.",
      },
      {
        id: "shipping",
        text:
          "Bicycles leave our warehouse within three working days. A carrier calls you to arrange the time of delivery. " +
          "Batteries travel as dangerous goods, in a box of their own, charged to thirty per cent. " +
          "Charge the battery fully before the first ride, which takes about four hours. " +
          "Keep the box for a return. Goods may be sent back within thirty days if they show no traces of use.",
      },
      { id: "note", text: "Stored batteries lose about three per cent of their charge each month." },
      { id: "tyres", text: "Pump the tyres to three and a half bar; the range of the battery falls by a tenth if they are soft." },
    ),
  },
];
