/**
 * The addresses of a target, each `host:port`.
 *
 * @param target - `host:port`, `dns:///host:port`, or a list `ipv4:10.0.0.1:50051,10.0.0.2:50051`
 * (`ipv6:` likewise, with brackets). A name is one address: it is resolved when a connection is made.
 * @throws TypeError for any other text.
 */
export function addressesOf(target: string): string[] {
  const list = /^ipv[46]:(?!\d+$)(.+)$/.exec(target)?.[1];
  if (list !== undefined) {
    return list.split(",").map((address) => checkedAddress(address.trim(), target));
  }
  const name = /^dns:(?:\/\/\/)?(?!\d+$)(.+)$/.exec(target)?.[1] ?? target;
  return [checkedAddress(name, target)];
}

function checkedAddress(address: string, target: string): string {
  const port = Number(/^(?:\[[\da-fA-F:.%]+\]|[^\s:/?#@[\]]+):(\d{1,5})$/.exec(address)?.[1]);
  if (!(port >= 1 && port <= 65_535)) {
    throw new TypeError(
      `the target "${target}" is none of host:port, dns:///host:port, ipv4:host:port,host:port`,
    );
  }
  return address;
}
