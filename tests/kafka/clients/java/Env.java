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
        if (mechanism != null) {
            properties.put("security.protocol", "SASL_PLAINTEXT");
            properties.put("sasl.mechanism", mechanism);
            properties.put("sasl.jaas.config", jaas(mechanism));
        }
        return properties;
    }

    static Properties producer() {
        Properties properties = client();
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("enable.idempotence", "true");
        properties.put("acks", "all");
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
