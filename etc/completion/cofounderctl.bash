# bash completion for cofounderctl(1); made by `cofounderctl completion bash`.
# shellcheck disable=SC2207
_cofounderctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  local path='' i skip=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    if ((skip)); then skip=0; continue; fi
    case ${COMP_WORDS[i]} in
      --socket) skip=1 ;;
      -*) ;;
      *)
        case "$path ${COMP_WORDS[i]}" in
          " status"|" health"|" events"|" metrics"|" metrics summary"|" drain"|" config"|" config show"|" config check"|" config reload"|" version"|" completion"|" login"|" logout"|" whoami"|" call"|" task"|" task submit"|" task show"|" task list"|" task cancel"|" task retry"|" task wait"|" task why"|" task watch"|" schedule"|" schedule put"|" schedule show"|" schedule list"|" schedule remove"|" schedule run"|" plugin"|" plugin list"|" plugin show"|" plugin why"|" plugin start"|" plugin stop"|" plugin restart"|" plugin reload"|" plugin inspect"|" plugin new"|" node"|" node list"|" store"|" store backup"|" store check"|" store migrate-to") path="$path ${COMP_WORDS[i]}" ;;
        esac ;;
    esac
  done
  if [[ $before == --socket ]]; then COMPREPLY=($(compgen -f -- "$word")); return; fi
  case "$path" in
    '') COMPREPLY=($(compgen -W "status health events metrics drain config version completion login logout whoami call task schedule plugin node store --help --json --socket --version" -- "$word")) ;;
    ' status')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' health')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' events')
      case $before in
        --since) COMPREPLY=(); return ;;
        --task) COMPREPLY=(); return ;;
        --plugin) COMPREPLY=(); return ;;
        --count) COMPREPLY=(); return ;;
      esac
      COMPREPLY=($(compgen -W "--since --task --plugin --count --help --json --socket" -- "$word"))
      ;;
    ' metrics')
      COMPREPLY=($(compgen -W "summary --openmetrics --help --json --socket" -- "$word"))
      ;;
    ' metrics summary')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' drain')
      COMPREPLY=($(compgen -W "--wait --end --help --json --socket" -- "$word"))
      ;;
    ' config')
      COMPREPLY=($(compgen -W "show check reload --help --json --socket" -- "$word"))
      ;;
    ' config show')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' config check')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      COMPREPLY+=($(compgen -f -- "$word"))
      ;;
    ' config reload')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' version')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' completion')
      COMPREPLY=($(compgen -W "bash zsh --help --json --socket" -- "$word"))
      ;;
    ' login')
      COMPREPLY=($(compgen -W "--print --help --json --socket" -- "$word"))
      ;;
    ' logout')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' whoami')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' call')
      case $before in
        --body) COMPREPLY=(); return ;;
      esac
      COMPREPLY=($(compgen -W "GET POST PUT DELETE --body --help --json --socket" -- "$word"))
      ;;
    ' task')
      COMPREPLY=($(compgen -W "submit show list cancel retry wait why watch --help --json --socket" -- "$word"))
      ;;
    ' task submit')
      case $before in
        --arg) COMPREPLY=(); return ;;
        --args) COMPREPLY=(); return ;;
        --file) COMPREPLY=($(compgen -f -- "${word##*=}")); return ;;
        --delay) COMPREPLY=(); return ;;
        --at) COMPREPLY=(); return ;;
        --key) COMPREPLY=(); return ;;
        --queue) COMPREPLY=(); return ;;
        --priority) COMPREPLY=(); return ;;
        --timeout) COMPREPLY=(); return ;;
        --attempts) COMPREPLY=(); return ;;
      esac
      COMPREPLY=($(compgen -W "--arg --args --file --delay --at --key --wait --queue --priority --timeout --attempts --help --json --socket" -- "$word"))
      ;;
    ' task show')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' task list')
      case $before in
        --state) COMPREPLY=($(compgen -W "scheduled ready running succeeded failed cancelled timed_out" -- "$word")); return ;;
        --op) COMPREPLY=(); return ;;
        --queue) COMPREPLY=(); return ;;
        --limit) COMPREPLY=(); return ;;
        --after) COMPREPLY=(); return ;;
      esac
      COMPREPLY=($(compgen -W "--state --op --queue --limit --after --help --json --socket" -- "$word"))
      ;;
    ' task cancel')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' task retry')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' task wait')
      case $before in
        --timeout) COMPREPLY=(); return ;;
      esac
      COMPREPLY=($(compgen -W "--timeout --help --json --socket" -- "$word"))
      ;;
    ' task why')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' task watch')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' schedule')
      COMPREPLY=($(compgen -W "put show list remove run --help --json --socket" -- "$word"))
      ;;
    ' schedule put')
      case $before in
        --cron) COMPREPLY=(); return ;;
        --calendar) COMPREPLY=(); return ;;
        --every) COMPREPLY=(); return ;;
        --timezone) COMPREPLY=(); return ;;
        --missed) COMPREPLY=($(compgen -W "skip once all" -- "$word")); return ;;
        --overlap) COMPREPLY=($(compgen -W "allow skip" -- "$word")); return ;;
        --arg) COMPREPLY=(); return ;;
        --args) COMPREPLY=(); return ;;
        --queue) COMPREPLY=(); return ;;
        --priority) COMPREPLY=(); return ;;
        --timeout) COMPREPLY=(); return ;;
        --attempts) COMPREPLY=(); return ;;
      esac
      COMPREPLY=($(compgen -W "--cron --calendar --every --timezone --missed --overlap --arg --args --queue --priority --timeout --attempts --help --json --socket" -- "$word"))
      ;;
    ' schedule show')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' schedule list')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' schedule remove')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' schedule run')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin')
      COMPREPLY=($(compgen -W "list show why start stop restart reload inspect new --help --json --socket" -- "$word"))
      ;;
    ' plugin list')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin show')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin why')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin start')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin stop')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin restart')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin reload')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' plugin inspect')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      COMPREPLY+=($(compgen -f -- "$word"))
      ;;
    ' plugin new')
      case $before in
        --directory) COMPREPLY=($(compgen -d -- "$word")); return ;;
        --template) COMPREPLY=($(compgen -d -- "$word")); return ;;
      esac
      COMPREPLY=($(compgen -W "--directory --template --help --json --socket" -- "$word"))
      ;;
    ' node')
      COMPREPLY=($(compgen -W "list --help --json --socket" -- "$word"))
      ;;
    ' node list')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      ;;
    ' store')
      COMPREPLY=($(compgen -W "backup check migrate-to --help --json --socket" -- "$word"))
      ;;
    ' store backup')
      COMPREPLY=($(compgen -W "--replace --help --json --socket" -- "$word"))
      COMPREPLY+=($(compgen -f -- "$word"))
      ;;
    ' store check')
      COMPREPLY=($(compgen -W "--help --json --socket" -- "$word"))
      COMPREPLY+=($(compgen -f -- "$word"))
      ;;
    ' store migrate-to')
      case $before in
        --config) COMPREPLY=($(compgen -f -- "${word##*=}")); return ;;
      esac
      COMPREPLY=($(compgen -W "--config --help --json --socket" -- "$word"))
      ;;
  esac
}
complete -o filenames -F _cofounderctl cofounderctl
