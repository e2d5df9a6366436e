import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Properties;

/** What the environment says: see clients/README.md. */
final class Env {
    static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    static final String TOPIC = System.getenv("TOPIC");
    static final String GROUP = System.getenv("GROUP");

    private Env() {
    }

    static String get(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null ? otherwise : value;
    }

    /** What every client of a program needs; all else stays at its default. */
    static Properties client() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", BOOTSTRAP);
        String mechanism = System.getenv("SASL_MECHANISM");
        boolean tls = System.getenv("TLS_CA") != null;
        properties.put("security.protocol", (mechanism == null ? "" : "SASL_") + (tls ? "SSL" : "PLAINTEXT"));
        if (mechanism != null) {
            properties.put("sasl.mechanism", mechanism);
            properties.put("sasl.jaas.config", jaas(mechanism));
        }
        if (tls) {
            properties.put("ssl.truststore.type", "PEM");
            properties.put("ssl.truststore.certificates", read("TLS_CA"));
            // The default, said here because the tests are about it.
            properties.put("ssl.endpoint.identification.algorithm", "https");
        }
        if (System.getenv("TLS_CERTIFICATE") != null) {
            properties.put("ssl.keystore.type", "PEM");
            properties.put("ssl.keystore.certificate.chain", read("TLS_CERTIFICATE"));
            properties.put("ssl.keystore.key", read("TLS_KEY"));
        }
        return properties;
    }

    static Properties producer() {
        Properties properties = client();
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        String acks = get("ACKS", "all");
        properties.put("enable.idempotence", String.valueOf(acks.equals("all")));
        properties.put("acks", acks);
        return properties;
    }

    static Properties consumer() {
        Properties properties = client();
        properties.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("group.id", GROUP);
        properties.put("auto.offset.reset", "earliest");
        return properties;
    }

    private static String read(String variable) {
        try {
            return new String(Files.readAllBytes(Paths.get(System.getenv(variable))));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static String jaas(String mechanism) {
        String security = "org.apache.kafka.common.security.";
        String user = System.getenv("SASL_USERNAME");
        String login = " required username=\"" + user + "\" password=\"" + System.getenv("SASL_PASSWORD") + "\";";
        if (mechanism.equals("PLAIN")) {
            return security + "plain.PlainLoginModule" + login;
        }
        if (mechanism.startsWith("SCRAM")) {
            return security + "scram.ScramLoginModule" + login;
        }
        return security + "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"" + user + "\";";
    }
}
