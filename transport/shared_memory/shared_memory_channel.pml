/* SPDX-License-Identifier: MIT
 *
 * A model of calls: internal/caller.cc and internal/listener.cc, for Spin, under sequential
 * consistency.
 *
 * NC callers of CALLS calls each, a listener, and a successor for when it has died or closed. Each
 * access to shared memory is one step, and with the options below a process may die at each.
 *
 * In the model: `state` (phase, generation, whether the caller sleeps), the doorbell, `sleeping`,
 * `listener`, `generation`; Send, Ring, AwaitOutcome, GiveUp, CheckListenerLives; Open, Take, Answer,
 * ClearDoorbell, Sleep, Wake, Close.
 * Not in it: spinning; numbers and order (shared_memory_channel_order.pml); the search for a slot:
 * slot i belongs to caller i for good; memory order; `answered_number`, which is folded into `state`.
 *
 * A caller sleeps in slices. A slice ends in the model only when nothing else can run, unless
 * -DANYSLICE: so a lost wake-up shows as an invalid end state, or as a cycle without progress. The
 * listener sleeps until it is woken.
 *
 * -DCDIE: callers may die.  -DLDIE: the listener may.  -DGIVEUP: callers may give up.
 * -DCLOSE: the listener may close.  -DBG: another thread makes it close, by Wake.
 * -DANYSLICE: slices end at any time.
 * -DMUTATE_RING: Ring says that the listener is awake, before it wakes it: a fault that the model
 *   must find. -DMUTATE_BIT: a caller looks at the doorbell before it publishes its request.
 */
#ifndef NC
#define NC 2
#endif
#ifndef CALLS
#define CALLS 2
#endif
#define IDLE 0
#define REQ 1
#define TAKEN 2
#define DONE 3
#define REFUSED 4
#define ABANDONED 5
#define AWAKE 0
#define ASLEEP 1
#define RUNG 2

byte state[NC];     /* phase */
byte sgen[NC];      /* generation of TAKEN and ABANDONED */
bool sleeper[NC];
bool bit_[NC];
bool open_;
byte sleeping;     /* AWAKE, ASLEEP or RUNG */
byte listener;      /* 0 none, 1, 2 */
bool alive[3];      /* of listener processes */
byte gen;
bool rescan[NC];    /* of the present listener */
bool wake_;
/* futexes */
bool lwaits;        /* the listener sleeps in the kernel on `sleeping` */
bool cwaits[NC];    /* caller i sleeps in the kernel on `answered_number` */
/* the results */
byte evaluated[NC];      /* how often the present call was evaluated */
bool cdead[NC];
byte cdone;              /* callers that are through, or dead */
bool closed_by_thread;   /* the other thread has returned from Close */
byte lisdone;

#define SETS(i,p,g) state[i]=p; sgen[i]=g
inline futex_wake_l() { lwaits = false }
/* Each access may be the last one of a process that dies. */
#ifdef CDIE
#define MAYDIE(i) if :: true -> skip :: cdead[i] = true; goto dead fi
#else
#define MAYDIE(i) skip
#endif
#ifdef LDIE
#define LMAYDIE if :: true -> skip :: (me == 1) -> alive[me] = false; lwaits = false; goto ldead fi
#else
#define LMAYDIE skip
#endif

inline Ring() {
#ifdef MUTATE_RING
  if
  :: atomic { sleeping != AWAKE -> sleeping = AWAKE }; MAYDIE(i); futex_wake_l()
  :: atomic { sleeping == AWAKE -> skip }
  fi
#else
  if
  :: sleeping != AWAKE ->
     atomic { if :: sleeping == ASLEEP -> sleeping = RUNG :: else fi };
     MAYDIE(i);
     futex_wake_l()
  :: else
  fi
#endif
}

proctype Caller(byte i) {
  byte n = 0; bool withdrew; byte seen; byte phase; bool b4;
  do
  :: n < CALLS ->
     n++;
  again:
     /* CheckListening */
     if :: listener == 0 -> goto notlistening :: else fi;
     /* Send */
#ifdef MUTATE_BIT
     b4 = open_ && bit_[i];
     atomic { evaluated[i] = 0; SETS(i, REQ, 0); sleeper[i] = false };
     if :: b4 -> goto await :: else fi;
#else
     atomic { evaluated[i] = 0; SETS(i, REQ, 0); sleeper[i] = false };
     MAYDIE(i);
     if
     :: atomic { (open_ && bit_[i]) -> skip }; goto await
     :: atomic { !(open_ && bit_[i]) -> skip }
     fi;
#endif
     atomic { b4 = open_; bit_[i] = true };
     MAYDIE(i);
     if
     :: !b4 ->
        if
        :: atomic { state[i] == REQ -> SETS(i, IDLE, 0) }; assert(evaluated[i] == 0); goto notlistening
        :: atomic { state[i] != REQ -> skip }
        fi
     :: else
     fi;
     Ring();
  await:
     do
     :: atomic { (state[i] == DONE || state[i] == REFUSED) -> phase = state[i] }; break
     :: atomic { (state[i] == REQ || state[i] == TAKEN) -> sleeper[i] = true };
        MAYDIE(i);
        /* FutexWait: sleeps unless it is answered already */
        if
        :: atomic { (state[i] == DONE || state[i] == REFUSED) -> skip }
        :: atomic { !(state[i] == DONE || state[i] == REFUSED) -> cwaits[i] = true };
           if
           :: !cwaits[i] -> skip
#ifndef NOSLICE
           :: timeout -> cwaits[i] = false
#ifdef ANYSLICE
           :: true -> cwaits[i] = false
#endif
#endif
           fi
        fi;
        MAYDIE(i);
        if
        :: atomic { (state[i] == DONE || state[i] == REFUSED) -> phase = state[i] }; break
        :: else
        fi;
#ifdef GIVEUP
        if :: true -> skip
        :: /* GiveUp */
           do
           :: atomic { state[i] == TAKEN -> SETS(i, ABANDONED, sgen[i]) }; 
              /* the slot is the listener's to free: wait for that in place of another slot */
              do
              :: atomic { state[i] == IDLE -> skip }; break
              :: atomic { (state[i] == ABANDONED && (sgen[i] != gen || listener == 0 || !alive[listener])) -> SETS(i, IDLE, 0) }; break
              od;
              goto next
           :: atomic { state[i] == REQ -> SETS(i, IDLE, 0) }; goto next
           :: atomic { (state[i] != TAKEN && state[i] != REQ) -> skip }; goto next
           od
        fi;
#endif
        /* CheckListenerLives */
        if
        :: atomic { (state[i] == TAKEN && (sgen[i] != gen || listener == 0 || !alive[listener])) -> SETS(i, IDLE, 0) }; goto next
        :: atomic { (state[i] == REQ && (listener == 0 || !alive[listener])) -> SETS(i, IDLE, 0); assert(evaluated[i] == 0) }; goto next
        :: else
        fi
     od;
     assert(phase == REFUSED || evaluated[i] == 1);
     assert(phase != REFUSED || evaluated[i] == 0);
  next: skip
  :: n >= CALLS -> break
  od;
  goto through;
notlistening: 
  if :: n < CALLS -> n++; goto again :: else fi;
  goto through;
dead: skip;
through:
  cdone++
}

/* One step each: take the request of slot j if there is one. */
inline TakeOne(j) {
  if
  :: atomic { state[j] == REQ -> SETS(j, TAKEN, gen) ; took = true }
  :: atomic { state[j] != REQ -> rescan[j] = false; took = false }
  fi
}
inline AnswerOne(j, how) {
  if
  :: atomic { state[j] == TAKEN -> SETS(j, how, 0); w = sleeper[j] }; LMAYDIE;
     if :: w -> cwaits[j] = false :: else fi
  :: atomic { state[j] == ABANDONED -> SETS(j, IDLE, 0) }
  :: atomic { (state[j] != TAKEN && state[j] != ABANDONED) -> skip }
  fi
}

proctype Listener(byte me) {
  byte j; bool took; bool w; bool any; bool last[NC];
  /* Open: when the one before is gone */
end_open:
  atomic { (listener == 0 || !alive[listener]) -> listener = me; alive[me] = true };
  LMAYDIE;
  gen++;
  sleeping = AWAKE;
  wake_ = false;
  atomic { j = 0; do :: j < NC -> rescan[j] = true; j++ :: else -> break od };
  open_ = true;
  LMAYDIE;
serve:
  /* Look at the slots whose bits are set, or that are in rescan. */
  any = false; j = 0;
  do
  :: j < NC ->
     if
     :: (bit_[j] || rescan[j]) ->
        TakeOne(j);
        if
        :: took -> LMAYDIE; evaluated[j]++; assert(evaluated[j] <= 1); LMAYDIE; AnswerOne(j, DONE); LMAYDIE; rescan[j] = false; any = true
        :: else
        fi
     :: else
     fi;
     j++
  :: else -> break
  od;
  if :: any -> goto serve :: else fi;
#ifdef CLOSE
#ifndef BG
  if :: goto close :: skip fi;
#endif
#endif
#ifdef BG
  if :: wake_ -> wake_ = false; goto close :: else fi;
#endif
  /* Sleep. ClearDoorbell: */
  j = 0;
  atomic { do :: j < NC -> if :: bit_[j] -> bit_[j] = false; rescan[j] = true :: else fi; j++ :: else -> break od };
  j = 0; any = false;
  do
  :: j < NC -> if :: rescan[j] -> if :: state[j] == REQ -> any = true :: else fi :: else fi; j++
  :: else -> break
  od;
  if :: any -> goto serve :: else fi;
  LMAYDIE;
  sleeping = ASLEEP;
  do
  :: atomic { (bit_[0] || bit_[NC-1]) -> skip }; break
  :: wake_ -> break
  :: sleeping != ASLEEP -> break
  :: else ->
     /* FutexWait(sleeping, kAsleep) */
     if
     :: atomic { sleeping != ASLEEP -> skip }
     :: atomic { sleeping == ASLEEP -> lwaits = true };
        if
        :: !lwaits -> skip
        :: (me == 2 && cdone == NC) -> goto ldead      /* the end of the run: no caller is left */
#ifndef BG
        :: (cdone == NC) -> goto ldead
#endif
        fi
     fi
  od;
  LMAYDIE;
  sleeping = AWAKE;
  goto serve;
#ifdef CLOSE
close:
  atomic { j = 0; do :: j < NC -> last[j] = bit_[j] || rescan[j]; bit_[j] = false; rescan[j] = false; j++ :: else -> break od; open_ = false };
  LMAYDIE;
  j = 0;
  do
  :: j < NC ->
     if
     :: last[j] ->
        TakeOne(j);
        if
        :: took -> LMAYDIE;
           if
           :: evaluated[j]++; assert(evaluated[j] <= 1); AnswerOne(j, DONE)
           :: AnswerOne(j, REFUSED)
           fi
        :: else
        fi
     :: else
     fi;
     j++
  :: else -> break
  od;
  LMAYDIE;
  listener = 0;
  alive[me] = false;
  closed_by_thread = true;
#endif
ldead:
  atomic { lwaits = false; lisdone++ }
}

#ifdef BG
/* Listening::Close() of the first listener, by the owner's thread: stop, Wake, join. */
active proctype Closer() {
end_a:
  (open_ && listener == 1);           /* it has begun */
  wake_ = true;
  /* Ring */
  if
  :: sleeping != AWAKE ->
#ifdef MUTATE_RING
     atomic { if :: sleeping != AWAKE -> sleeping = AWAKE; lwaits = false :: else fi }
#else
     atomic { if :: sleeping == ASLEEP -> sleeping = RUNG :: else fi };
     lwaits = false
#endif
  :: else
  fi;
  (closed_by_thread || !alive[1]);   /* join */
gone: skip
}
#endif

init { atomic { byte i = 0; run Listener(1); run Listener(2); do :: i < NC -> run Caller(i); i++ :: else -> break od } }
