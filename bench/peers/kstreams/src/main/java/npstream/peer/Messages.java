package npstream.peer;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.TreeMap;

/** What travels, and what is kept: the members of the JSON are named as in the topics. */
final class Messages {
    private Messages() {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Response(
            @JsonProperty("response_id") String responseId,
            @JsonProperty("respondent_id") String respondentId,
            @JsonProperty("account_id") String accountId,
            @JsonProperty("segment") String segment,
            @JsonProperty("score") int score,
            @JsonProperty("comment") String comment,
            @JsonProperty("responded_at") long respondedAt) {}

    record Change(
            @JsonProperty("response_id") String responseId,
            @JsonProperty("respondent_id") String respondentId,
            @JsonProperty("account_id") String accountId,
            @JsonProperty("segment") String segment,
            @JsonProperty("from") String from,
            @JsonProperty("to") String to,
            @JsonProperty("score") int score,
            @JsonProperty("responded_at") long respondedAt) {}

    record Detractor(
            @JsonProperty("response_id") String responseId,
            @JsonProperty("respondent_id") String respondentId,
            @JsonProperty("account_id") String accountId,
            @JsonProperty("segment") String segment,
            @JsonProperty("score") int score,
            @JsonProperty("comment") String comment,
            @JsonProperty("responded_at") long respondedAt) {}

    /** A respondent's last answer. */
    record Respondent(@JsonProperty("category") String category, @JsonProperty("score") int score) {}

    /** Promoters, passives and detractors by UTC day since 1970-01-01. */
    static final class Account {
        public final TreeMap<Long, int[]> days = new TreeMap<>();
    }
}
