/* SPDX-License-Identifier: MIT
 *
 * A model of the order in which internal/listener.cc evaluates calls (Gather, TakeSeen), for Spin,
 * under sequential consistency.
 *
 * One thread T sends CALLS calls without waiting, and may give up each at once, which withdraws it
 * unless it has been taken. It takes the first free slot from the one that it had last on, as
 * TryAcquire does. A listener gathers, takes and evaluates. The doorbell's bits are left out: all of
 * the SLOTS slots are looked at.
 *
 * Asserted: the calls of T are evaluated in the order in which it sent them.
 *
 * -DMUTATE_TAKE: a request that has taken the place of one that was seen waits for the next look:
 *   a fault that the model must find.
 */
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef CALLS
#define CALLS 3
#endif
byte req[SLOTS];    /* number of the request in the slot, 0: none (idle, done) */
bool used[SLOTS];   /* owned */
bool taken[SLOTS];
byte last;          /* the number that was evaluated last */
bool over;

proctype T() {
  byte n = 0, at = 0, k, s;
  do
  :: n < CALLS ->
     k = 0;
     do
     :: k < SLOTS -> 
        s = (at + k) % SLOTS;
        if :: atomic { !used[s] -> used[s] = true }; break :: atomic { used[s] -> k++ } fi
     :: k >= SLOTS -> k = 0
     od;
     at = s; n++;
     req[s] = n;
     if
     :: skip                                         /* keeps it */
     :: atomic { (req[s] == n && !taken[s]) -> req[s] = 0; used[s] = false }   /* gives it up */
     fi
  :: else -> break
  od;
  over = true
}

proctype L() {
  byte seen_n[SLOTS], seen_s[SLOTS], count, next, i, j, youngest, now; bool in[SLOTS];
again:
  atomic { count = 0; next = 0; i = 0; do :: i < SLOTS -> in[i] = false; i++ :: i >= SLOTS -> break od; i = 0 }
  /* look at all */
  do
  :: i < SLOTS ->
     atomic { now = (taken[i] -> 0 : req[i]);
       if :: now != 0 -> in[i] = true; j = count; count++;
             do :: (j > 0 && now < seen_n[(j > 0 -> j - 1 : 0)]) -> seen_n[j] = seen_n[j-1]; seen_s[j] = seen_s[j-1]; j-- :: else -> break od;
             seen_n[j] = now; seen_s[j] = i
          :: else fi; i++ }
  :: else -> break
  od;
  if
  :: count == 0 -> if :: over && (req[0] == 0 || taken[0]) && (req[1] == 0 || taken[1]) && (req[SLOTS-1] == 0 || taken[SLOTS-1]) -> goto done :: else -> goto again fi
  :: else
  fi;
  /* look once more at those where nothing was */
  youngest = seen_n[count - 1]; i = 0;
  do
  :: i < SLOTS ->
     atomic { now = (taken[i] -> 0 : req[i]);
       if :: (!in[i] && now != 0 && now < youngest) -> j = count; count++;
             do :: (j > 0 && now < seen_n[(j > 0 -> j - 1 : 0)]) -> seen_n[j] = seen_n[j-1]; seen_s[j] = seen_s[j-1]; j-- :: else -> break od;
             seen_n[j] = now; seen_s[j] = i
          :: else fi; i++ }
  :: else -> break
  od;
  /* take what was seen, in order */
  do
  :: next < count ->
     i = seen_s[next];
     if
     :: atomic { (req[i] == seen_n[next] && !taken[i]) -> taken[i] = true }; next++;
        assert(req[i] > last); last = req[i];
        atomic { req[i] = 0; taken[i] = false; used[i] = false }
     :: atomic { !(req[i] == seen_n[next] && !taken[i]) -> next++ };
#ifndef MUTATE_TAKE
        atomic { now = (taken[i] -> 0 : req[i]);
          if :: (now != 0 && next < count && now < seen_n[count - 1]) -> next--; j = next;
                do :: (j + 1 < count && seen_n[(j + 1 < SLOTS -> j + 1 : SLOTS - 1)] < now) -> seen_n[j] = seen_n[j+1]; seen_s[j] = seen_s[j+1]; j++ :: else -> break od;
                seen_n[j] = now; seen_s[j] = i
             :: else fi }
#endif
     fi
  :: else -> break
  od;
  goto again;
done: skip
}
init { atomic { run T(); run L() } }
