import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;

/** A cluster that does not let this client in, or that it does not trust: what the library says about that. */
public final class Refused implements Main.Scenario {
    @Override
    public void run() throws Exception {
        StringBuilder words = new StringBuilder();
        try (Admin admin = Admin.create(Env.client())) {
            admin.describeCluster().nodes().get(60, TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            for (Throwable cause = error.getCause(); cause != null; cause = cause.getCause()) {
                words.append(cause).append('\n');
            }
        }
        new Json().put("refused", words.length() == 0 ? null : words.toString()).print();
    }
}
