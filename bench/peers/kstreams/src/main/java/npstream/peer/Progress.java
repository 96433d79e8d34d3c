package npstream.peer;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts responses, and tells the benchmark when the first one came and when all was written (bench/peers/telling.py). */
final class Progress {
    private final OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final AtomicInteger processed = new AtomicInteger();
    private final CountDownLatch all = new CountDownLatch(1);
    private final int responses;

    Progress(int responses) {
        this.responses = responses;
    }

    /** Before a response is worked on. */
    void begins() {
        if (processed.get() == 0) {
            tell("began");
        }
    }

    /** After a response was worked on. */
    void done() {
        if (processed.incrementAndGet() == responses) {
            all.countDown();
        }
    }

    void await() throws InterruptedException {
        all.await();
    }

    void tell(String event) {
        System.out.printf(Locale.ROOT, "{\"event\":\"%s\",\"at\":%.3f,\"cpu_s\":%.3f,\"peak_rss_kb\":%d}%n",
            event, System.currentTimeMillis() / 1e3, system.getProcessCpuTime() / 1e9, peakRssKb());
        System.out.flush();
    }

    /** The most memory that this process ever had, as Linux tells it. */
    private static long peakRssKb() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmHWM:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .findFirst().orElse(0);
        } catch (IOException error) {
            return 0;
        }
    }
}
