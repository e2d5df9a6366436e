/** Runs the scenario that the command line names; each is a class. */
public final class Main {
    private Main() {
    }

    /** A scenario prints its result on stdout and throws if anything went wrong. */
    interface Scenario {
        void run() throws Exception;
    }

    /** The class of "round-trip" is RoundTrip. */
    public static void main(String[] args) throws Exception {
        StringBuilder name = new StringBuilder();
        for (String word : args[0].split("-")) {
            name.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
        }
        Scenario scenario = (Scenario) Class.forName(name.toString()).getDeclaredConstructor().newInstance();
        int status = 0;
        try {
            scenario.run();
        } catch (Throwable error) {
            error.printStackTrace();
            status = 1;
        }
        System.out.flush();
        System.exit(status);
    }
}
