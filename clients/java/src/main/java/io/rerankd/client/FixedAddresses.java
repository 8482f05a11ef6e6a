package io.rerankd.client;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusOr;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Targets that list addresses: {@code ipv4:10.0.0.1:50051,10.0.0.2:50051}, and likewise {@code
 * ipv6:[::1]:50051}. gRPC knows them in C, Python and Ruby, but not in Java.
 *
 * <p>The registry of resolvers belongs to the whole JVM, so this one takes a scheme that nobody
 * else has, and the client rewrites its own targets to it. Whoever registers {@code ipv4} for other
 * channels, grpc-java itself included, is not disturbed.
 */
final class FixedAddresses extends NameResolverProvider {
  private static final String SCHEME = "rerankd-addresses";
  private static final Pattern LISTED = Pattern.compile("(ipv4|ipv6):(?://[^/]*/)?(.*)");
  private static final Pattern IPV4 =
      Pattern.compile("((?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?!:)|(?=:))){4}):(\\d{1,5})");
  private static final Pattern IPV6 = Pattern.compile("(\\[[0-9a-fA-F:.]+(?:%\\w+)?]):(\\d{1,5})");

  private FixedAddresses() {}

  /** The target as this JVM's gRPC understands it; checks the addresses of a list. */
  static String grpcTarget(String target) {
    Matcher listed = LISTED.matcher(target);
    if (!listed.matches()) {
      return target;
    }
    parse(listed.group(2), listed.group(1).equals("ipv4") ? IPV4 : IPV6);
    Registration.ensure();
    // Brackets and commas are not allowed in a path, and would not survive a parser of URIs.
    return SCHEME + ":///" + listed.group(2).replace('[', '(').replace(']', ')');
  }

  @Override
  protected boolean isAvailable() {
    return true;
  }

  @Override
  protected int priority() {
    return 5;
  }

  @Override
  public String getDefaultScheme() {
    return SCHEME;
  }

  @Override
  public Collection<Class<? extends SocketAddress>> getProducedSocketAddressTypes() {
    return Set.of(InetSocketAddress.class);
  }

  @Override
  public NameResolver newNameResolver(URI target, NameResolver.Args args) {
    if (!SCHEME.equals(target.getScheme())) {
      return null;
    }
    String list = target.getPath().substring(1).replace('(', '[').replace(')', ']');
    return new Resolver(parse(list, list.startsWith("[") ? IPV6 : IPV4), list);
  }

  private static List<EquivalentAddressGroup> parse(String list, Pattern form) {
    List<EquivalentAddressGroup> groups = new ArrayList<>();
    for (String item : list.split(",", -1)) {
      Matcher address = form.matcher(item);
      int port = address.matches() ? Integer.parseInt(address.group(2)) : 0;
      if (port < 1 || port > 65_535) {
        throw new IllegalArgumentException(
            "target: '" + item + "' is no address with a port, for example 10.0.0.1:50051");
      }
      // Without this each server's certificate would have to name the first address.
      Attributes authority =
          Attributes.newBuilder()
              .set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, item)
              .build();
      groups.add(
          new EquivalentAddressGroup(
              new InetSocketAddress(literal(address.group(1)), port), authority));
    }
    return groups;
  }

  private static InetAddress literal(String address) {
    try {
      return InetAddress.getByName(address);
    } catch (UnknownHostException failure) {
      throw new IllegalArgumentException("target: '" + address + "' is no address", failure);
    }
  }

  private static final class Resolver extends NameResolver {
    private final List<EquivalentAddressGroup> groups;
    private final String authority;

    Resolver(List<EquivalentAddressGroup> groups, String list) {
      this.groups = groups;
      this.authority = list.split(",", 2)[0];
    }

    @Override
    public String getServiceAuthority() {
      return authority;
    }

    @Override
    public void start(Listener2 listener) {
      listener.onResult2(
          ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(groups)).build());
    }

    @Override
    public void shutdown() {
      // Nothing was opened.
    }
  }

  /** Registers once, when the first list is met: a client of other targets leaves no trace. */
  private static final class Registration {
    static {
      NameResolverRegistry.getDefaultRegistry().register(new FixedAddresses());
    }

    static void ensure() {
      // The initialiser has done it.
    }
  }
}
