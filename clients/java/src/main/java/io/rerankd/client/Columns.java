package io.rerankd.client;

import java.util.Arrays;

/**
 * Arrays that grow, one value for each document; a value that was never set reads as nothing. They
 * take no memory until a value differs from that.
 */
final class Columns {
  private Columns() {}

  static final class Floats {
    private float[] values = {};

    void set(int index, float value) {
      if (index >= values.length && value != 0) {
        values = Arrays.copyOf(values, grown(values.length, index));
      }
      if (index < values.length) {
        values[index] = value;
      }
    }

    float get(int index) {
      return index < values.length ? values[index] : 0;
    }
  }

  static final class Ints {
    private int[] values = {};

    void set(int index, int value) {
      if (index >= values.length && value != 0) {
        values = Arrays.copyOf(values, grown(values.length, index));
      }
      if (index < values.length) {
        values[index] = value;
      }
    }

    int get(int index) {
      return index < values.length ? values[index] : 0;
    }
  }

  static final class Texts {
    private String[] values = {};

    void set(int index, String value) {
      if (index >= values.length && !value.isEmpty()) {
        values = Arrays.copyOf(values, grown(values.length, index));
      }
      if (index < values.length) {
        values[index] = value;
      }
    }

    String get(int index) {
      return index < values.length && values[index] != null ? values[index] : "";
    }
  }

  private static int grown(int length, int index) {
    long larger = Math.max(64, length + (length >> 1));
    // A few places less than the largest int is what every JVM can allocate.
    return (int) Math.min(Math.max(larger, index + 1L), Integer.MAX_VALUE - 8);
  }
}
