package io.rerankd.client;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** An authority of its own and certificates that it signed, made by the JDK's keytool. */
final class Certificates {
  private static final String PASSWORD = "changeit";

  private final Path folder;

  Certificates(Path folder) throws IOException, InterruptedException {
    this.folder = folder;
    generate("authority", "-ext", "bc:c=ca:true");
  }

  /** The certificate of the authority. */
  byte[] authority() throws IOException, GeneralSecurityException {
    return pem("CERTIFICATE", certificate("authority").getEncoded());
  }

  /** Makes a key and a certificate of this name, for use at 127.0.0.1. */
  void sign(String name) throws IOException, InterruptedException {
    generate(name);
    Path request = folder.resolve(name + ".csr");
    Path signed = folder.resolve(name + ".crt");
    keytool(name, "-certreq", "-alias", name, "-file", request.toString());
    keytool(
        "authority", "-gencert", "-alias", "authority", "-ext", "san=ip:127.0.0.1", "-rfc",
        "-infile", request.toString(), "-outfile", signed.toString());
  }

  byte[] certificateChain(String name) throws IOException {
    return Files.readAllBytes(folder.resolve(name + ".crt"));
  }

  byte[] privateKey(String name) throws IOException, GeneralSecurityException {
    Key key = store(name).getKey(name, PASSWORD.toCharArray());
    return pem("PRIVATE KEY", key.getEncoded());
  }

  private Certificate certificate(String name) throws IOException, GeneralSecurityException {
    return store(name).getCertificate(name);
  }

  private KeyStore store(String name) throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream file = Files.newInputStream(folder.resolve(name + ".p12"))) {
      store.load(file, PASSWORD.toCharArray());
    }
    return store;
  }

  private void generate(String name, String... more) throws IOException, InterruptedException {
    List<String> arguments = new ArrayList<>();
    arguments.addAll(
        List.of("-genkeypair", "-alias", name, "-keyalg", "EC", "-groupname", "secp256r1"));
    arguments.addAll(List.of("-dname", "CN=" + name, "-validity", "2"));
    arguments.addAll(List.of(more));
    keytool(name, arguments.toArray(new String[0]));
  }

  private void keytool(String store, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of(arguments));
    command.addAll(List.of("-keystore", folder.resolve(store + ".p12").toString()));
    command.addAll(List.of("-storetype", "PKCS12", "-storepass", PASSWORD));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException("keytool: " + output);
    }
  }

  private static byte[] pem(String kind, byte[] content) {
    String base64 = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    return String.format("-----BEGIN %s-----%n%s%n-----END %s-----%n", kind, base64, kind)
        .getBytes(StandardCharsets.US_ASCII);
  }
}
