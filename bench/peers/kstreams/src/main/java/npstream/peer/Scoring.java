package npstream.peer;

import npstream.peer.Messages.Account;
import npstream.peer.Messages.Change;
import npstream.peer.Messages.Detractor;
import npstream.peer.Messages.Respondent;
import npstream.peer.Messages.Response;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** One response after another: last category of the respondent, counts of the account's day, what there is to tell. */
final class Scoring implements Processor<String, Response, String, Object> {
    static final String RESPONDENTS = "respondents";
    static final String ACCOUNTS = "accounts";
    static final String CHANGES = "changes";
    static final String DETRACTORS = "detractors";

    private static final long KEPT_DAYS = 90;
    private static final long DAY_S = 86_400;

    private final Progress progress;
    private ProcessorContext<String, Object> context;
    private KeyValueStore<String, Respondent> respondents;
    private KeyValueStore<String, Account> accounts;

    Scoring(Progress progress) {
        this.progress = progress;
    }

    @Override
    public void init(ProcessorContext<String, Object> context) {
        this.context = context;
        respondents = context.getStateStore(RESPONDENTS);
        accounts = context.getStateStore(ACCOUNTS);
    }

    @Override
    public void process(Record<String, Response> record) {
        progress.begins();
        Response response = record.value();
        String category = category(response.score());
        compare(record, response, category);
        count(response, category);
        if (category.equals("detractor")) {
            send(record, DETRACTORS, new Detractor(response.responseId(), response.respondentId(), response.accountId(),
                response.segment(), response.score(), response.comment(), response.respondedAt()));
        }
        progress.done();
    }

    /** With the respondent's answer before. A first one is no change. */
    private void compare(Record<String, Response> record, Response response, String category) {
        Respondent before = respondents.get(response.respondentId());
        respondents.put(response.respondentId(), new Respondent(category, response.score()));
        if (before != null && !before.category().equals(category)) {
            send(record, CHANGES, new Change(response.responseId(), response.respondentId(), response.accountId(),
                response.segment(), before.category(), category, response.score(), response.respondedAt()));
        }
    }

    /** In the account's table of the last 90 days of event time. */
    private void count(Response response, String category) {
        Account account = accounts.get(response.accountId());
        if (account == null) {
            account = new Account();
        }
        int[] counts = account.days.computeIfAbsent(response.respondedAt() / DAY_S, day -> new int[3]);
        counts[category.equals("promoter") ? 0 : category.equals("passive") ? 1 : 2]++;
        account.days.headMap(account.days.lastKey() - KEPT_DAYS + 1).clear();
        accounts.put(response.accountId(), account);
    }

    private void send(Record<String, Response> record, String sink, Object event) {
        context.forward(record.withValue(event), sink);
    }

    private static String category(int score) {
        return score <= 6 ? "detractor" : score <= 8 ? "passive" : "promoter";
    }
}
