package io.rerankd.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the build puts into the jar. */
class BuildTest {
  private static final int JAVA_11 = 55;

  @Test
  void classesRunOnJava11() throws IOException, URISyntaxException {
    Path root =
        Path.of(RerankdClient.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    List<Path> classes;
    try (Stream<Path> files = Files.walk(root)) {
      classes =
          files.filter(file -> file.toString().endsWith(".class")).collect(Collectors.toList());
    }
    assertFalse(classes.isEmpty());
    for (Path file : classes) {
      try (DataInputStream content = new DataInputStream(Files.newInputStream(file))) {
        assertEquals(0xCAFEBABE, content.readInt());
        content.readUnsignedShort();
        assertEquals(JAVA_11, content.readUnsignedShort(), file::toString);
      }
    }
  }

  @Test
  void theServiceConfigIsThatOfTheApi() throws IOException {
    Path original = Path.of("../../protos/rerankd/v1").resolve(ServiceConfig.RESOURCE);
    assumeTrue(Files.exists(original), "the protos are not beside this folder");
    try (InputStream copy = ServiceConfig.class.getResourceAsStream(ServiceConfig.RESOURCE)) {
      assertEquals(
          Files.readString(original), new String(copy.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  @Test
  void theServiceConfigHasNoTimeouts() {
    List<?> methods = (List<?>) ServiceConfig.load().get("methodConfig");
    assertEquals(3, methods.size());
    for (Object method : methods) {
      assertFalse(((Map<?, ?>) method).containsKey("timeout"));
    }
  }
}
